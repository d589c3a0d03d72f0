(function () {
  "use strict";
  var main = document.querySelector("main");
  var notice = document.getElementById("aviso");
  function announce(text) { notice.textContent = text; }

  if (navigator.clipboard) {
    document.querySelectorAll("[data-copy]").forEach(function (button) {
      var label = button.textContent;
      button.hidden = false;
      button.addEventListener("click", function () {
        navigator.clipboard.writeText(button.dataset.copy).then(function () {
          button.textContent = button.dataset.copied;
          button.classList.add("done");
          announce(button.dataset.copied);
          setTimeout(function () {
            button.textContent = label;
            button.classList.remove("done");
          }, 2500);
        }, function () {});
      });
    });
  }
  document.querySelectorAll("[data-print]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { window.print(); });
  });

  var path = main.dataset.status, known = main.dataset.known;
  if (!path || !window.fetch) { return; }
  var line = document.querySelector(".live");
  if (line) {
    line.classList.add("on");
    line.querySelector(".said").textContent = main.dataset.live;
  }
  var FIRST = 3000, LAST = 30000;
  var wait = FIRST, timer = 0, asking = false;
  function later(factor) {
    clearTimeout(timer);
    timer = setTimeout(ask, wait);
    wait = Math.min(wait * factor, LAST);
  }
  function ask() {
    if (document.hidden || asking) { return; }
    asking = true;
    fetch(path, { cache: "no-store", credentials: "omit" }).then(function (answer) {
      if (!answer.ok) { throw new Error(String(answer.status)); }
      return answer.text();
    }).then(function (text) {
      asking = false;
      if (text === known) { return later(1.2); }
      announce(main.dataset.changed);
      setTimeout(function () { location.reload(); }, 1000);
    }).catch(function () {
      asking = false;
      later(2);
    });
  }
  document.addEventListener("visibilitychange", function () {
    if (!document.hidden) { wait = FIRST; clearTimeout(timer); ask(); }
  });
  later(1.2);
})();
