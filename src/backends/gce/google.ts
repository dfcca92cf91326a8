// The used part of Google's client library. It is large, so the programs keep it in a separate file.
export { compute_v1 } from 'googleapis/build/src/apis/compute/v1.js';
export { GoogleAuth } from 'googleapis-common';
