# The editor in a container, with the embedded networks:
#
#   docker build -t tf-idinvert-editor .
#   docker run --rm -p 127.0.0.1:7860:7860 tf-idinvert-editor
#
# On a GPU: docker build --build-arg BASE=tensorflow/tensorflow:2.21.0-gpu -t tf-idinvert-editor . and docker run --gpus all
# A network of your own: docker run ... -v $PWD/networks:/networks tf-idinvert-editor /networks/network.pkl
ARG BASE=python:3.12-slim
FROM ${BASE}
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir '.[editor]' && useradd --create-home visitor
USER visitor
WORKDIR /home/visitor
EXPOSE 7860
ENTRYPOINT ["idinvert", "editor", "--host", "0.0.0.0", "--port", "7860"]
