// Google's client library, as far as it is used. It is large: the programs have it in a file of its own.

export { compute_v1 } from 'googleapis/build/src/apis/compute/v1.js';
export { GoogleAuth } from 'googleapis-common';
