// Pictures to choose from: buttons, which say which of them was pressed.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) trigger("click", {name: button.dataset.name});
});
