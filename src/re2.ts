// The regular expressions of Go, RE2. A file of its own in dist/: few commands need it.
export { RE2JS, RE2JSSyntaxException } from 're2js';
