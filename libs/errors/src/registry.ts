/** One row of the closed list of error codes. */
export interface ErrorEntry {
  /** gRPC status number. Source: grpc/doc/statuscodes.md, read 2026-11. */
  readonly grpc: number;
  readonly http: number;
  readonly title: string;
  /** Whether the same request can succeed later without being changed. */
  readonly retryable: boolean;
}

const entry = (grpc: number, http: number, title: string, retryable = false): ErrorEntry => ({
  grpc,
  http,
  title,
  retryable,
});

/** Every error code of the house. A code is `noun.reason`; docs/errors.md is generated from this list. */
export const ERRORS = {
  'request.invalid': entry(3, 400, 'The request is not valid'),
  'request.malformed': entry(3, 400, 'The body cannot be parsed'),
  'request.too_large': entry(11, 413, 'The body is larger than this endpoint takes'),
  'request.unsupported_media_type': entry(3, 415, 'This content type is not taken here'),
  'request.not_found': entry(5, 404, 'There is nothing here'),
  'request.method_not_allowed': entry(12, 405, 'This method is not taken here'),
  'request.timeout': entry(4, 503, 'The request took too long', true),
  'signature.missing': entry(16, 401, 'The signature is missing'),
  'signature.malformed': entry(3, 400, 'The signature header cannot be read'),
  'signature.mismatch': entry(7, 403, 'The signature does not match'),
  'signature.expired': entry(7, 403, 'The signed timestamp is outside the tolerance'),
  'address.not_allowed': entry(7, 403, 'This address may not post here'),
  'limit.reached': entry(9, 409, 'There are as many of these as there may be'),
  'quota.exceeded': entry(8, 429, 'Too many requests', true),
  'principal.unauthenticated': entry(16, 401, 'No valid API key was given'),
  'principal.forbidden': entry(7, 403, 'This key may not do that'),
  'caller.forbidden': entry(7, 403, 'This service may not call this method'),
  'tenant.not_found': entry(5, 404, 'There is no such tenant'),
  'tenant.slug_taken': entry(6, 409, 'This slug is taken'),
  'api_key.not_found': entry(5, 404, 'There is no such API key'),
  'source.not_found': entry(5, 404, 'There is no such source'),
  'source.unknown_provider': entry(3, 400, 'There is no such provider'),
  'source.cannot_send': entry(9, 409, 'Nothing can be sent through this source'),
  'secret.not_found': entry(5, 404, 'There is no such secret'),
  'secret.invalid': entry(3, 400, 'This is not a secret of that scheme'),
  'destination.not_found': entry(5, 404, 'There is no such destination'),
  'destination.address_forbidden': entry(3, 400, 'This URL points where deliveries may not go'),
  'event.not_found': entry(5, 404, 'There is no such event'),
  'media.not_found': entry(5, 404, 'There is no such medium, or it is not stored'),
  'message.not_found': entry(5, 404, 'There is no such message'),
  'message.not_cancelable': entry(9, 409, 'This message cannot be called back any more'),
  'message.not_indeterminate': entry(9, 409, 'The outcome of this message is known'),
  'conversation.not_found': entry(5, 404, 'There is no such conversation'),
  'handoff.not_found': entry(5, 404, 'There is no such hand-off'),
  'handoff.not_claimable': entry(9, 409, 'This conversation does not wait for a person'),
  'handoff.token_mismatch': entry(9, 409, 'Somebody else owns this conversation now'),
  'delivery.not_found': entry(5, 404, 'There is no such delivery'),
  'delivery.not_retryable': entry(9, 409, 'This delivery is not in a state that can be retried'),
  'person.not_found': entry(5, 404, 'There is no such person'),
  'person_key.moving': entry(9, 409, 'The hashes of persons still move to the key of the change before'),
  'rule.not_found': entry(5, 404, 'There is no such rule'),
  'policy.conflict': entry(10, 409, 'Another version of the policy is in force'),
  'review.not_found': entry(5, 404, 'There is no such finding to judge'),
  'suppression.not_found': entry(5, 404, 'There is no such suppression'),
  'idempotency.conflict': entry(6, 409, 'This idempotency key was used with another body'),
  'idempotency.in_progress': entry(10, 409, 'A request with this idempotency key is still running', true),
  'data_key.not_found': entry(5, 404, 'There is no such data key'),
  'data_key.unavailable': entry(14, 503, 'The data key is not in memory', true),
  'ciphertext.invalid': entry(15, 500, 'The ciphertext cannot be opened'),
  'store.unavailable': entry(14, 503, 'The store cannot be reached', true),
  'store.overloaded': entry(8, 503, 'Too much is waiting', true),
  'service.unavailable': entry(14, 503, 'A service behind this one cannot be reached', true),
  'service.deadline': entry(4, 503, 'A service behind this one did not answer in time', true),
  'lease.lost': entry(10, 503, 'Another worker holds this shard now', true),
  'egress.address_forbidden': entry(7, 403, 'The address is not public'),
  'egress.failed': entry(14, 502, 'The request could not be made', true),
  'config.invalid': entry(9, 500, 'The configuration is not valid'),
  'internal.error': entry(13, 500, 'Something went wrong here'),
} as const satisfies Record<string, ErrorEntry>;

/** A code of the closed list. */
export type ErrorCode = keyof typeof ERRORS;

/** Narrows any string to a known code. */
export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code);
