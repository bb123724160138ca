// What the page can do beyond HTML: a key for the search, and a sign when what is shown has changed or the connection is
// lost. Nothing that somebody reads is moved: whoever wants to see the change loads the page again.

const EVERY = 5000;
const news = document.getElementById("news");
const search = document.getElementById("q");

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "Escape" && typing) {
    typing.blur();
  }
});

const shown = document.documentElement.dataset.tag;
let since = Date.now();

function tell(text, again) {
  news.replaceChildren(text);
  if (again) {
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = "Show it";
    news.append(" ", link);
  }
  news.hidden = text === "";
}

async function look() {
  try {
    const answer = await fetch(location.href, { cache: "no-cache", headers: { accept: "text/html" } });
    const tag = answer.headers.get("etag");
    await answer.body?.cancel();
    since = Date.now();
    if (!answer.ok) {
      tell(`clade answers ${answer.status}: what is shown may be old.`, false);
    } else if (tag !== shown) {
      tell("There is something new.", true);
    } else {
      tell("", false);
    }
  } catch {
    const seconds = Math.round((Date.now() - since) / 1000);
    tell(`The connection to clade is lost; what is shown is ${seconds} s old.`, false);
  }
}

// The past does not change, and a problem has no tag.
if (shown && !new URLSearchParams(location.search).get("at")) {
  setInterval(() => document.visibilityState === "visible" && look(), EVERY);
}
