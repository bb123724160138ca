// This adds to the HTML: a key for the search and names that it suggests, a sign when what is shown has changed or the
// connection is lost, and events as they come. Nothing that somebody reads is moved: whoever wants to see a change loads the page
// again.

// Milliseconds.
const REST = 2000;
const COME_AGAIN = 5000;
const PATIENCE = 10000;
const TYPING = 150;
// clade lets itself be heard at least every 15 s.
const SILENCE = 40000;
const EVENTS = 50;

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

function ask(address) {
  return fetch(address, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE) });
}

function pause(time) {
  return new Promise((resolve) => setTimeout(resolve, time));
}

// Suggestions. Of two answers the one to what was typed last counts, whichever comes last.
const suggestions = document.getElementById("suggestions");
let typed = "";
async function suggest() {
  const text = search.value.trim();
  if (text === typed) return;
  typed = text;
  await pause(TYPING);
  if (text !== typed) return;
  let items = [];
  if (text) {
    try {
      const answer = await ask(`/v1/suggestions?${new URLSearchParams({ q: text })}`);
      if (answer.ok) ({ items } = await answer.json());
    } catch {
      // Whoever has typed it all can do without.
    }
  }
  if (text !== typed) return;
  const options = items.map(({ kind, name }) => {
    const option = document.createElement("option");
    option.value = name;
    option.label = `${name} (${kind})`;
    return option;
  });
  suggestions.replaceChildren(...options);
}
search.addEventListener("input", suggest);

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

// Compares the view with what is shown. Returns whether there was an answer.
async function compare() {
  try {
    const view = await ask(location.href);
    await view.text();
    if (!view.ok) tell(`clade answers ${view.status}: what is shown may be old.`);
    else if (view.headers.get("etag") === shown) tell("");
    else tell("There is something new.", true);
    return view.ok;
  } catch {
    tell(`The connection to clade is lost. What is shown is of ${new Date(loaded).toLocaleTimeString()}.`);
    return false;
  }
}

const isSeen = () => document.visibilityState === "visible";

// One comparison at a time, with a rest after each: the index may change many times a second. One that fails is made again.
let comparing = false;
let again = false;
async function look() {
  again = true;
  if (comparing) return;
  comparing = true;
  while (again && isSeen()) {
    again = false;
    if (await compare()) {
      await pause(REST);
    } else {
      await pause(COME_AGAIN);
      again = true;
    }
  }
  comparing = false;
}
document.addEventListener("visibilitychange", () => {
  if (again) look();
});

// Follows Server-Sent Events while somebody sees the page: a browser has few connections to a host. `address` is asked for each
// time, `handlers` are those of events by name; `broken` is called when the connection has broken, `refused` when clade has refused.
// Returns what ends the connection and begins it anew.
function follow(address, handlers, { broken = () => {}, refused }) {
  let source = null;
  const end = () => {
    source?.close();
    source = null;
  };
  const begin = () => {
    if (source || !isSeen()) return;
    source = new EventSource(address());
    for (const [name, handle] of Object.entries(handlers)) source.addEventListener(name, handle);
    source.addEventListener("error", () => {
      // A browser comes again by itself when the connection breaks, but not when it is refused.
      if (source?.readyState !== EventSource.CLOSED) {
        broken();
        return;
      }
      end();
      refused();
      setTimeout(begin, COME_AGAIN);
    });
  };
  document.addEventListener("visibilitychange", () => (isSeen() ? begin() : end()));
  addEventListener("pagehide", end);
  addEventListener("pageshow", begin);
  begin();
  return () => {
    end();
    begin();
  };
}

function followPosition() {
  let heard = Date.now();
  let state = null;
  let later;
  // Some views show what is written after the index has changed, such as the audit trail: they are compared once more.
  const changed = (position) => {
    if (position.state === state) return;
    state = position.state;
    look();
    clearTimeout(later);
    later = setTimeout(look, COME_AGAIN);
  };
  const hear = ({ data }) => {
    heard = Date.now();
    changed(JSON.parse(data));
  };
  // Others have all places: the position is asked for instead.
  const refused = async () => {
    try {
      const answer = await ask("/v1/position");
      if (answer.ok) changed(await answer.json());
      else look();
    } catch {
      look();
    }
  };
  const anew = follow(() => "/v1/position", { change: hear, beat: hear }, { broken: look, refused });
  addEventListener("offline", look);
  // A connection can die without a word, as when a machine sleeps.
  setInterval(() => {
    if (!isSeen() || Date.now() - heard < SILENCE) return;
    heard = Date.now();
    look();
    anew();
  }, COME_AGAIN);
  // Rebuilds are no part of the index.
  if (location.pathname.startsWith("/rebuilds")) follow(() => "/v1/subscribe/rebuilds?from=end", { rebuilds: look }, { refused: look });
}

// An image that enters or leaves a class, or becomes outdated or current in it, as a line.
function line({ time, data }) {
  const state = document.createElement("span");
  state.textContent = data.to?.state ?? "left";
  state.className = data.to?.state ?? "faint";
  const image = document.createElement("a");
  image.href = `/explain?${new URLSearchParams({ ref: data.digest })}`;
  const tags = data.tags ?? [];
  image.textContent = tags[0] ?? data.digest.slice(0, 19);
  const name = document.createElement("bdi");
  name.append(image);
  const item = document.createElement("li");
  item.append(new Date(time).toLocaleTimeString(), " ", state, " ", name);
  if (tags.length > 1) item.append(` and ${tags.length - 1} more tags`);
  return item;
}

function followEvents(section) {
  const list = section.querySelector("ol");
  let last = "end";
  const begin = () => {
    last = "end";
  };
  const events = {
    outdated: (event) => {
      last = event.lastEventId;
      list.prepend(line(JSON.parse(event.data)));
      while (list.children.length > EVENTS) list.lastElementChild.remove();
    },
    reset: begin,
  };
  section.hidden = false;
  // The event that was read last may not be there any more.
  follow(() => `${section.dataset.follow}&from=${encodeURIComponent(last)}`, events, { refused: begin });
}

// The past does not change, the place of a page in a list expires, and a problem has no tag.
if (shown && !parameters.get("at") && !parameters.get("continue")) {
  followPosition();
  document.querySelectorAll("[data-follow]").forEach(followEvents);
}
