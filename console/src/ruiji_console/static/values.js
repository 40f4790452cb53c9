// The numbers beside sliders, and the switch that turns one off.

const FORMATS = {
  ratio: (value) => `×${value.toFixed(2)}`,
  weight: (value) => value.toFixed(2),
};

export function showValues(form) {
  const show = () => {
    for (const output of form.querySelectorAll("output[data-format]")) {
      const slider = form.querySelector(`#${CSS.escape(output.getAttribute("for"))}`);
      const off = form.querySelector(`[data-switches-off="${CSS.escape(slider.id)}"]`)?.checked;
      slider.toggleAttribute("data-off", Boolean(off));
      const text = off ? "off" : FORMATS[output.dataset.format](slider.valueAsNumber);
      output.value = text;
      slider.setAttribute("aria-valuetext", text);
    }
  };
  form.addEventListener("input", (event) => {
    // Who moves the slider wants a band again.
    const off = form.querySelector(`[data-switches-off="${CSS.escape(event.target.id)}"]`);
    if (event.target.type === "range" && off) off.checked = false;
    show();
  });
  show();
}
