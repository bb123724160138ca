// What the page can do beyond HTML: a key for the search, and a sign when what is shown has changed or the connection is
// lost. Nothing that somebody reads is moved: whoever wants to see the change loads the page again.

const PAUSE = 5000;
const PATIENCE = 10000;
const news = document.getElementById("news");
const search = document.getElementById("q");
const shown = document.documentElement.dataset.tag;
const parameters = new URLSearchParams(location.search);
const loaded = Date.now();

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
  } else if (event.key === "Escape" && typing) {
    typing.blur();
  }
});

// The same words are not said again: they would be read out again, and a link in them would lose the focus.
let told = "";
function tell(text, canShow = false) {
  if (text === told) return;
  told = text;
  news.replaceChildren(text);
  if (canShow) {
    const button = document.createElement("button");
    button.textContent = "Show it";
    button.addEventListener("click", () => location.reload());
    news.append(" ", button);
  }
}

function ask(address) {
  return fetch(address, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE) });
}

// The state of the index costs little to ask for; only if it has changed is the view asked for again. Rebuilds are no part of
// the index.
const ofIndex = !location.pathname.startsWith("/rebuilds");
let state = null;
async function look() {
  try {
    const index = await ask("/v1/groups");
    const now = index.headers.get("etag");
    if (ofIndex && index.ok && now !== null && now === state) return;
    const view = await ask(location.href);
    await view.text();
    if (!view.ok) {
      tell(`clade answers ${view.status}: what is shown may be old.`);
      return;
    }
    state = now;
    if (view.headers.get("etag") === shown) tell("");
    else tell("There is something new.", true);
  } catch {
    state = null;
    tell(`The connection to clade is lost. What is shown is of ${new Date(loaded).toLocaleTimeString()}.`);
  }
}

async function follow() {
  if (document.visibilityState === "visible") await look();
  setTimeout(follow, PAUSE);
}

// The past does not change, the place of a page in a list expires, and a problem has no tag.
if (shown && !parameters.get("at") && !parameters.get("continue")) setTimeout(follow, PAUSE);
