// Sliders, tabs and play buttons. Without it the page shows a still of each film, and everything opens by hand.
document.documentElement.classList.add("js");
addEventListener("DOMContentLoaded", () => {
  const all = (where, what) => [...where.querySelectorAll(what)];

  // a slider moves every picture of its film to the same decision, or to the same step ahead
  const films = all(document, ".film").map(film => {
    const sheet = film.querySelector(".reel, .fan"), scrub = film.querySelector(".scrub"), at = film.querySelector(".at");
    const steps = sheet.dataset.steps?.split(" "), said = scrub.dataset.said?.split("|"), play = film.querySelector(".play");
    let timer = 0;
    const show = k => {
      scrub.value = k;
      sheet.style.setProperty("--k", k);
      at.textContent = said ? said[k] : `decision ${+k + 1} of ${steps.length}, step ${steps[k]}`;
      all(sheet, "[data-over]").forEach(it => it.lastChild.textContent = +k < +it.dataset.over ? "happened" : "over by then");
      scrub.setAttribute("aria-valuetext", at.textContent);
    };
    const stop = () => { clearInterval(timer); timer = 0; if (play) play.textContent = "play"; };
    const run = () => {  // to the end, and from the beginning once it is there
      if (scrub.value == scrub.max) show(0);
      timer = setInterval(() => +scrub.value < +scrub.max ? show(+scrub.value + 1) : stop(), 900);
      play.textContent = "pause";
    };
    scrub.addEventListener("input", () => { stop(); show(scrub.value); });
    play?.addEventListener("click", () => timer ? stop() : run());
    film.addEventListener("toggle", () => { if (!film.open) stop(); });
    show(scrub.value);
    return { show, run };
  });

  // tabs open one film, and close the others
  all(document, ".choice").forEach(choice => {
    const items = all(choice, ":scope > details");
    all(choice, ".tabs input").forEach(tab => tab.addEventListener("change", () => items.forEach((item, k) => item.open = k == tab.value)));
  });

  // a link into a closed chapter opens it, and paper shows all of them
  const open = () => { const target = location.hash && document.getElementById(location.hash.slice(1)); if (target?.tagName == "DETAILS") target.open = true; };
  addEventListener("hashchange", open);
  addEventListener("beforeprint", () => all(document, ".chapter").forEach(chapter => chapter.open = true));
  open();

  // films in sight play, unless the reader asked for no motion
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches && "IntersectionObserver" in window) {
    const watch = new IntersectionObserver(seen => seen.forEach(e => e.isIntersecting ? e.target.play().catch(() => {}) : e.target.pause()));
    all(document, "video").forEach(video => watch.observe(video));
    if (document.querySelector(".film .play")) { films[0].show(0); films[0].run(); }
  }
});
