// The spinner's library: it loads when something is drawn.
export { default as ora } from 'ora';
