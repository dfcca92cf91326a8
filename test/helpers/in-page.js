// Runs in the browser: what the tests ask of a page beyond what playwright tells.

const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);

function luminance(color) {
  const [r, g, b] = channels(color)
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The colour behind an element. */
function ground(element) {
  for (let at = element; at !== null; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    if (channels(color)[3] !== 0) return color;
  }
  return 'rgb(255, 255, 255)';
}

const hasOwnText = ({ childNodes }) =>
  [...childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());

globalThis.inPage = {
  /** Texts whose contrast to what is behind them is below 4.5, the least that WCAG AA allows. */
  faintTexts: () =>
    [...document.querySelectorAll('body *')]
      .filter((element) => hasOwnText(element) && element.getClientRects().length > 0)
      .map((element) => {
        const pair = [getComputedStyle(element).color, ground(element)].map(luminance);
        const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
        return { text: element.textContent.trim(), contrast };
      })
      .filter(({ contrast }) => contrast < 4.5),

  /** How far the page can be scrolled sideways, in pixels. */
  overflow: () => document.documentElement.scrollWidth - document.documentElement.clientWidth,

  /** What has the focus, and how that is shown. */
  focus: () => {
    const { activeElement } = document;
    const { outlineStyle } = getComputedStyle(activeElement);
    return `${activeElement.textContent || activeElement.id} ${outlineStyle}`;
  },
};
