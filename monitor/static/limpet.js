/* An open page looks again by itself. Without this file everything works but that. */
(function () {
  "use strict";
  const page = document.getElementById("limpet-page");
  const seconds = page ? Number(page.dataset.refresh) : 0;
  /* Of so many looks one is at the whole page: what a chart is made of comes once a minute. */
  const whole = 12;
  let looks = 0;
  let under = false;

  function tell(well, text) {
    document.getElementById("limpet-dot").className =
      "status-dot " + (well ? "status-dot-live" : "status-dot-error");
    document.getElementById("limpet-status").textContent = text;
  }

  function said(answer, away) {
    if (answer.ok) { tell(true, "Updated " + new Date().toLocaleTimeString()); return; }
    tell(false, away ? "Session store unreachable" : "Not updated");
  }

  function occupied(part) {
    const at = document.activeElement;
    return part.contains(at) && at.matches("input, select, textarea");
  }

  function mark(part) {
    const at = document.activeElement;
    return at && part.contains(at) ? at.id || at.getAttribute("href") : null;
  }

  function replace(part, fresh) {
    const held = mark(part);
    for (const name of part.getAttributeNames()) { part.removeAttribute(name); }
    for (const one of fresh.attributes) { part.setAttribute(one.name, one.value); }
    part.replaceChildren(...fresh.childNodes);
    if (held === null) { return; }
    const found = Array.from(part.querySelectorAll("[id], a[href]"));
    const again = found.find(one => one.id === held || one.getAttribute("href") === held);
    if (again) { again.focus({preventScroll: true}); }
  }

  function stamp(seconds) {
    const time = new Date(seconds * 1000);
    return isNaN(time) ? "" : time.toISOString().slice(0, 19).replace("T", " ") + " UTC";
  }

  function fill(line, row, links) {
    for (const cell of line.querySelectorAll("[data-cell]")) {
      const told = cell.dataset;
      cell.textContent = row[told.cell];
      if (told.link && cell.textContent !== "—") {
        cell.setAttribute("href", links[told.link] + encodeURIComponent(row[told.cell]));
      } else if (told.link) { cell.removeAttribute("href"); }
      if (told.when) { cell.title = stamp(row[told.when]); }
      if ("colour" in told) { cell.className = "badge text-bg-" + row.colour; }
    }
  }

  function owner(line) { return line.querySelector("[data-link=own]").getAttribute("href"); }

  /* Which link of whose row has the focus. */
  function focused(body) {
    const at = document.activeElement;
    const line = body.contains(at) ? at.closest("tr") : null;
    return line ? {owner: owner(line), cell: at.dataset.cell} : null;
  }

  /* Rows are filled by their places: the focus goes where its session is now, or to the table. */
  function refocus(body, held) {
    const line = Array.from(body.rows).find(one => owner(one) === held.owner);
    const link = line && line.querySelector(`[data-cell="${held.cell}"][href]`);
    (link || body.closest("[tabindex]")).focus({preventScroll: true});
  }

  /* Returns whether what was told fits into the table that is there. */
  function put(part, told) {
    const body = part.querySelector("tbody");
    const paged = told.pages > 1;
    if (!body || !told.rows.length || paged !== (part.dataset.paged === "yes")) { return false; }
    const held = focused(body);
    while (body.rows.length > told.rows.length) { body.deleteRow(-1); }
    while (body.rows.length < told.rows.length) { body.append(body.rows[0].cloneNode(true)); }
    told.rows.forEach((row, n) => fill(body.rows[n], row, told.links));
    if (held) { refocus(body, held); }
    for (const one of part.querySelectorAll("[data-now]")) {
      one.textContent = told.now[one.dataset.now];
    }
    return true;
  }

  async function lookAtAll(part) {
    if (occupied(part)) { return; }
    const answer = await fetch(window.location.href, {headers: {Accept: "text/html"}});
    const text = await answer.text();
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("limpet-live");
    if (answer.ok && fresh) { replace(part, fresh); }
    said(answer, fresh && fresh.hasAttribute("data-away"));
  }

  async function look() {
    const part = document.getElementById("limpet-live");
    if (!part || document.hidden || under) { return; }
    under = true;
    try {
      const source = part.dataset.source;
      looks += 1;
      if (!source || looks % whole === 0) { await lookAtAll(part); return; }
      const answer = await fetch(source, {headers: {Accept: "application/json"}});
      if (answer.ok && !put(part, await answer.json())) { await lookAtAll(part); return; }
      said(answer, answer.status === 503);
    } catch {
      tell(false, "Connection lost");
    } finally {
      under = false;
    }
  }

  if (!page) { return; }
  if (page.querySelector("[data-away]")) { tell(false, "Session store unreachable"); }
  if (seconds) { setInterval(look, seconds * 1000); }
}());
