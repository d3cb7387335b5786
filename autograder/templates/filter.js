"use strict";
// Shows the rows of the table that have all that is asked for, which the address tells, too; sortable.js sorts.
{
  const table = document.getElementById("submissions");
  const form = document.getElementById("filter");
  const { text, row, mistake } = form.elements;
  const fields = { text, row, mistake };
  const plain = (words) => words.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const has = (list, one) => !one || ` ${list} `.includes(` ${one} `);

  function apply() {
    const words = plain(text.value).split(/\s+/);
    const rows = table.tBodies[0].rows;
    let shown = 0;
    for (const tr of rows) {
      const data = tr.dataset;
      const fits =
        has(data.row, row.value) && has(data.mistake, mistake.value) && words.every((word) => data.text.includes(word));
      tr.hidden = !fits;
      shown += fits;
    }
    const asked = new URLSearchParams(Object.entries(fields).flatMap(([name, { value }]) => (value ? [[name, value]] : [])));
    history.replaceState(null, "", `#${asked}`);
    document.getElementById("shown").textContent = `${shown} of ${rows.length} shown`;
  }

  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply)); // the fields are empty only afterwards
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    if (Object.hasOwn(fields, name)) fields[name].value = value;
  }
  addEventListener("pageshow", apply); // a browser that comes back fills the fields in again
  for (const button of document.querySelectorAll("button[data-row], button[data-mistake]")) {
    button.addEventListener("click", () => {
      form.reset();
      row.value = button.dataset.row ?? "";
      mistake.value = button.dataset.mistake ?? "";
      document.getElementById("submissions-heading").focus();
    });
  }
}
