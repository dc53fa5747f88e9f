// Pictures to choose from: buttons, which say which of them was pressed.
element.querySelectorAll("button").forEach((button) => {
  button.addEventListener("click", () => trigger("click", {name: button.dataset.name}));
});
