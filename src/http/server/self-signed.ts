// Creates certificates by a large package, which the programs keep in a separate file.
export { generate } from 'selfsigned';
