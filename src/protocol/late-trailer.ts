// Trailers that are requested later, because proxies drop them and HTTP/1.0 has none.

/** A request header: the id by which its trailer can be requested. Announced by {@link lateTrailerFeature}. */
export const replyIdHeader = 'Gomote-Reply-Id';

/** A reply header: the trailer that can be requested at `/trailer` after the reply. */
export const lateTrailerHeader = 'Gomote-Late-Trailer';

export const isReplyId = (text: string): boolean => /^[A-Za-z0-9_-]{12,64}$/.test(text);
