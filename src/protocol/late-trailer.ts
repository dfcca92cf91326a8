// Trailers that are asked for later: proxies drop them, and HTTP/1.0 has none.

/** Of a request: what its reply is called later. Announced by {@link lateTrailerFeature}. */
export const replyIdHeader = 'Gomote-Reply-Id';

/** Of a reply to such a request: the trailer that can be asked for, once the reply is over, at `/trailer`. */
export const lateTrailerHeader = 'Gomote-Late-Trailer';

export const isReplyId = (text: string): boolean => /^[A-Za-z0-9_-]{12,64}$/.test(text);
