// Measures the views of the page of a running clade in a real Chromium: the time to the first byte, to the first paint and until
// it can be used, and the bytes, of a first visit and of a further one. Arguments: the address, the program, its data directory,
// and the seconds for which a page is followed.
import { execFileSync } from "node:child_process";
import assert from "node:assert/strict";
import { launch } from "./browser.mjs";

const [base, clade, data, seconds] = process.argv.slice(2);
const ROUNDS = 11;
const browser = await launch("--enable-precise-memory-info", "--js-flags=--expose-gc");

async function json(path) {
  const answer = await fetch(base + path);
  assert(answer.ok, `${path}: ${answer.status}`);
  return answer.json();
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const most = (numbers) => Math.max(...numbers);

// A tag of an outdated member, its oldest base, and the class with most members.
const classes = (await json("/v1/classes")).items.sort((a, b) => b.status.members - a.status.members);
const name = classes[0].metadata.name;
const tag = (await json(`/v1/tags?class=${name}&state=outdated&limit=1`)).items[0].name;
const bases = (await json(`/v1/explain?${new URLSearchParams({ ref: tag })}`)).items[0].bases;
const oldest = bases.at(-1).digest;
const views = {
  "a file alone": "/assets/icon.svg",
  overview: "/",
  [`class ${name}`]: `/classes/${name}`,
  "what a rebuild would do": `/classes/${name}/rebuild`,
  image: `/explain?${new URLSearchParams({ ref: tag })}`,
  "base of most, with its tree": `/explain?ref=${oldest}`,
  "two images": `/compare?${new URLSearchParams({ a: tag, b: oldest })}`,
  tags: "/tags",
  "outdated tags of the class": `/tags?class=${name}&state=outdated`,
  images: "/images",
  "images, outdated for longest": "/images?sort=outdated",
  "outdated images of the class": `/images?class=${name}&state=outdated`,
  "search that suggests tags": `/search?q=${tag.split("/")[0].slice(0, 4)}`,
  workloads: "/workloads",
  policies: "/policies",
  rebuilds: "/rebuilds",
  "dead letters": "/dead-letters",
};

// Visits a view and returns its cost; a context of its own is a browser that was never here.
async function visit(page, path) {
  await page.goto(base + path, { waitUntil: "load" });
  return page.evaluate(async () => {
    const paint = await new Promise((resolve) => {
      const known = performance.getEntriesByName("first-contentful-paint")[0];
      if (known) return resolve(known.startTime);
      new PerformanceObserver((list) => {
        const found = list.getEntriesByName("first-contentful-paint")[0];
        if (found) resolve(found.startTime);
      }).observe({ type: "paint", buffered: true });
      setTimeout(() => resolve(NaN), 500);
    });
    const [navigation] = performance.getEntriesByType("navigation");
    const others = performance.getEntriesByType("resource");
    const bytes = [navigation, ...others].reduce((sum, of) => sum + of.transferSize, 0);
    const { responseStart: first, domContentLoadedEventEnd: usable } = navigation;
    return { first, paint, usable: Math.max(usable, paint || 0), bytes };
  });
}

console.log("| view | first byte | first paint | usable | usable, at most | KB, first visit | KB, further visit |");
console.log("|---|---|---|---|---|---|---|");
for (const [view, path] of Object.entries(views)) {
  const visits = [];
  let further = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    visits.push(await visit(page, path));
    if (round === ROUNDS - 1) further = (await visit(page, path)).bytes;
    await context.close();
  }
  const of = (what) => visits.map((visit) => visit[what]);
  const ms = (number) => (Number.isNaN(number) ? "–" : `${number.toFixed(0)} ms`);
  const kb = (bytes) => (bytes / 1000).toFixed(1);
  const row = [ms(median(of("first"))), ms(median(of("paint"))), ms(median(of("usable"))), ms(most(of("usable")))];
  console.log(`| ${[view, ...row, kb(median(of("bytes"))), kb(further)].join(" | ")} |`);
}

// A page that is followed while a class comes and goes each second.
const manifest = JSON.stringify({
  apiVersion: "clade.dev/v1alpha1",
  kind: "ImageClass",
  metadata: { name: "comes-and-goes" },
  spec: { from: { kind: "DockerImage", name: "nobody:1" } },
});
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const page = await context.newPage();
await page.goto(`${base}/classes/${name}`);
const session = await context.newCDPSession(page);
await session.send("Performance.enable");
async function memory() {
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  const of = (name) => metrics.find((metric) => metric.name === name).value;
  return `${(of("JSHeapUsedSize") / 1e6).toFixed(2)} MB, ${of("Nodes")} nodes`;
}
const begun = Date.now();
console.log(`\nfollowed: at first ${await memory()}`);
let changes = 0;
for (let told = 1; Date.now() - begun < seconds * 1000; changes++) {
  const command = changes % 2 ? ["delete", "class", "comes-and-goes"] : ["apply", "-f", "-"];
  execFileSync(clade, [...command, "--data-dir", data], { input: manifest, stdio: ["pipe", "ignore", "ignore"] });
  await new Promise((resolve) => setTimeout(resolve, 1000));
  if (Date.now() - begun > (told * seconds * 1000) / 4) {
    console.log(`after ${((Date.now() - begun) / 1000).toFixed(0)} s and ${changes} changes: ${await memory()}`);
    told += 1;
  }
}
console.log(`at the end, after ${changes} changes: ${await memory()}`);
await browser.close();
