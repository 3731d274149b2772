/* An open page looks again by itself. Without this file everything works but that. */
(function () {
  "use strict";
  const page = document.getElementById("limpet-page");
  const seconds = page ? Number(page.dataset.refresh) : 0;

  function tell(well, text) {
    document.getElementById("limpet-dot").className =
      "status-dot " + (well ? "status-dot-live" : "status-dot-error");
    document.getElementById("limpet-status").textContent = text;
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
    part.replaceChildren(...fresh.childNodes);
    if (held === null) { return; }
    const found = Array.from(part.querySelectorAll("[id], a[href]"));
    const again = found.find(one => one.id === held || one.getAttribute("href") === held);
    if (again) { again.focus({preventScroll: true}); }
  }

  async function look() {
    const part = document.getElementById("limpet-live");
    if (!part || document.hidden || occupied(part)) { return; }
    try {
      const answer = await fetch(window.location.href, {headers: {Accept: "text/html"}});
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("limpet-live");
      if (answer.ok && fresh) {
        replace(part, fresh);
        tell(true, "Updated " + new Date().toLocaleTimeString());
      } else {
        tell(false, answer.status === 503 ? "Session store unreachable" : "Not updated");
      }
    } catch {
      tell(false, "Connection lost");
    }
  }

  if (!page) { return; }
  if (page.querySelector("[data-away]")) { tell(false, "Session store unreachable"); }
  if (seconds) { setInterval(look, seconds * 1000); }
}());
