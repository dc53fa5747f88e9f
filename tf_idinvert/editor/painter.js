// A picture to paint on: by mouse, pen or finger, or with the arrow keys and the space bar. Its value is what was
// painted, base64 of one bit a pixel of the network's picture, row by row; it is told when a stroke ends.
const canvas = element.querySelector("canvas"), picture = element.querySelector("img");
const size = element.querySelector("input"), clear = element.querySelector("button");
let side = 0, bits = new Uint8Array(0), last = null, cursor = null, shown = "";

const draw = () => {
  const context = canvas.getContext("2d"), image = context.createImageData(side, side);
  for (let i = 0; i < bits.length; i++) {
    if (bits[i]) image.data.set([230, 0, 60, 150], 4 * i);
  }
  context.putImageData(image, 0, 0);
  if (cursor) {
    context.strokeStyle = "#fff";
    context.strokeRect(cursor[0] - radius(), cursor[1] - radius(), 2 * radius(), 2 * radius());
  }
};
const radius = () => Math.max(0.5, size.value / 100 * side);
const dab = (x, y) => {
  const r = radius();
  for (let j = Math.max(0, Math.floor(y - r)); j < Math.min(side, y + r); j++) {
    for (let i = Math.max(0, Math.floor(x - r)); i < Math.min(side, x + r); i++) {
      if ((i + 0.5 - x) ** 2 + (j + 0.5 - y) ** 2 <= r * r) bits[j * side + i] = 1;
    }
  }
};
const stroke = (from, to) => {
  const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1])));
  for (let k = 0; k <= steps; k++) {
    dab(from[0] + (to[0] - from[0]) * k / steps, from[1] + (to[1] - from[1]) * k / steps);
  }
  draw();
};
const tell = () => {
  const packed = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, i) => { packed[i >> 3] |= bit << (7 - (i & 7)); });
  let text = "";
  packed.forEach((byte) => { text += String.fromCharCode(byte); });
  props.value = {...props.value, painted: bits.some((bit) => bit) ? btoa(text) : ""};
  trigger("input");
};
const place = (event) => {
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width * side, (event.clientY - box.top) / box.height * side];
};
const wipe = () => { bits = new Uint8Array(side * side); draw(); };
const show = () => {
  const value = props.value || {};
  element.querySelector(".painter").classList.toggle("waiting", !value.picture);
  if (!value.picture || value.picture === shown) return;
  shown = value.picture;
  side = value.side;
  picture.src = shown;
  canvas.width = canvas.height = side;
  cursor = null;
  wipe();
};

canvas.addEventListener("pointerdown", (event) => {
  if (!side) return;
  canvas.setPointerCapture(event.pointerId);
  last = place(event);
  cursor = null;
  stroke(last, last);
});
canvas.addEventListener("pointermove", (event) => {
  if (!last) return;
  const here = place(event);
  stroke(last, here);
  last = here;
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, () => { if (last) { last = null; tell(); } });
}
canvas.addEventListener("keydown", (event) => {
  const ways = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  if (!side || !(event.key in ways || event.key === " ")) return;
  event.preventDefault();
  cursor = cursor || [side / 2, side / 2];
  if (event.key === " ") {
    dab(cursor[0], cursor[1]);
    tell();
  } else {
    const step = Math.max(1, Math.round(radius()));
    cursor = cursor.map((at, i) => Math.min(side, Math.max(0, at + step * ways[event.key][i])));
  }
  draw();
});
canvas.addEventListener("blur", () => { cursor = null; draw(); });
clear.addEventListener("click", () => { wipe(); tell(); });
show();
watch("value", show);
