// Looks at names that are long and things that are many: nothing overlaps, and no view is wider than its window.
import assert from "node:assert/strict";
import { launch } from "./browser.mjs";

const [base] = process.argv.slice(2);
const browser = await launch();
const tags = (await (await fetch(`${base}/v1/tags`)).json()).items.map(({ name }) => name);
const odd = tags.find((name) => name.includes("rather-long"));
const reference = encodeURIComponent(odd);
const views = ["/", "/classes/class-7", `/explain?ref=${reference}`, "/tags", "/images", `/search?q=${reference}x`];
views.push(`/compare?a=${reference}&b=${encodeURIComponent(tags.find((name) => name.includes("base-3")))}`);

for (const width of [1280, 1920, 390]) {
  const page = await (await browser.newContext({ viewport: { width, height: 900 } })).newPage();
  for (const view of views) {
    const answer = await page.goto(base + view);
    assert.equal(answer.status(), 200, view);
    const content = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(content <= width, `${view} is ${content} wide in a window of ${width}`);
    // Rows of a table and layers of a stack lie below one another.
    const overlaps = await page.evaluate(() => {
      const boxes = (of) => [...document.querySelectorAll(of)].map((element) => element.getBoundingClientRect());
      const over = (list) => list.some((box, at) => at > 0 && box.height > 0 && box.top < list[at - 1].bottom - 1);
      return [".stack li", "tbody tr"].filter((of) => over(boxes(of)));
    });
    // Two stacks stand side by side.
    if (!view.startsWith("/compare")) assert.deepEqual(overlaps, [], `${view} at ${width}`);
  }
  await page.goto(`${base}/explain?ref=${reference}`);
  assert.equal(await page.locator(".stack li").count(), 60);
  await page.goto(base);
  assert.equal(await page.locator("svg.timeline").count(), 30);
}
await browser.close();
console.log("all of it fits");
