// A link on another site led here, for which browsers send no cookie: the page is asked for once more, by itself.
const { pathname, search, hash } = location;
location.replace(`${pathname}${search}${search === '' ? '?' : '&'}again${hash}`);
