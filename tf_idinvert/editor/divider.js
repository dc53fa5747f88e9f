// The picture before and after the edit, one over the other, and a divider between them that is a slider of its own.
const before = element.querySelector(".before"), after = element.querySelector(".after");
const frame = element.querySelector(".frame"), line = element.querySelector(".line");
const range = element.querySelector("input");

const place = () => {
  after.style.clipPath = `inset(0 0 0 ${range.value}%)`;
  line.style.left = `${range.value}%`;
};
const show = () => {
  const value = props.value || {};
  frame.classList.toggle("waiting", !value.after);
  if (!value.after) return;
  if (before.src !== value.before) before.src = value.before;
  after.src = value.after;
};
range.addEventListener("input", place);
place();
show();
watch("value", show);
