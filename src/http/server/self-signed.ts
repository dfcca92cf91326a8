// What the key pair's certificate is made by: a large package, which the programs keep in a file of its own.
export { generate } from 'selfsigned';
