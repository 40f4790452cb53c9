// Pictures by drag and drop or by paste, sent as soon as they are there; a file that is chosen waits for the button.

export function dropZone(form) {
  const field = form.querySelector("input[type=file]");
  const refusal = form.querySelector("[data-refusal]");
  const maxBytes = Number(form.dataset.maxBytes);

  /** Says what is wrong with a file that the server would refuse for its size. */
  function fits(file) {
    const megabytes = (bytes, digits) => `${(bytes / 1e6).toFixed(digits)} MB`;
    const tooLarge = file.size > maxBytes;
    refusal.textContent = tooLarge
      ? `The file has ${megabytes(file.size, 1)}; at most ${megabytes(maxBytes, 0)} are taken.`
      : "";
    return !tooLarge;
  }

  function take(files) {
    const file = files?.[0];
    if (!file || !fits(file)) return;
    const transfer = new DataTransfer();
    transfer.items.add(file);
    field.files = transfer.files;
    form.classList.add("sending");
    form.submit();
  }

  field.addEventListener("change", () => {
    if (field.files[0] && !fits(field.files[0])) field.value = "";
  });
  // Anywhere on the page, so that a picture that misses does not replace it.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
  document.addEventListener("dragleave", () => form.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    take(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  // Back in the browser shows the form as it was left.
  window.addEventListener("pageshow", () => form.classList.remove("sending"));
}
