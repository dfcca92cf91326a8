// Signing in leads on to the page that was asked for; `status.js` goes there.
const { pathname, search, hash } = location;
if (pathname === '/page/buildlet') sessionStorage.setItem('next', `${pathname}${search}${hash}`);
