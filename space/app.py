"""The editor as a Hugging Face Space: the embedded model, on the port that a Space shows."""
from tf_idinvert.cli import command, editor

if __name__ == "__main__":
    command.run(lambda: editor.main(["--host", "0.0.0.0", "--port", "7860", "--sessions", "32"]))
