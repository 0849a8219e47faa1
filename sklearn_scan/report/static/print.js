/** Printing: all cards and what is left out, with their photos, in view or not. */

window.addEventListener("beforeprint", () => {
  for (const card of cards.box.querySelectorAll("[data-stale]")) fillCard(card);
  paintAll(byId("clusters"));
  paintAll(byId("left-out"));
});
