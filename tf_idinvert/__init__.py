"""In-domain and force-in-domain GAN inversion for StyleGAN, in TensorFlow 2 / Keras."""
__version__ = "0.1.0"
