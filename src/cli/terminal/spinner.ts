// The spinner's library, loaded only when a spinner is drawn.
export { default as ora } from 'ora';
