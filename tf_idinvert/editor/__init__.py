"""An editor of pictures in the browser. What it does knows no page: only `page` and `tabs` import Gradio."""
