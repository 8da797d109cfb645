import { invalidField, reachedLimit } from './field-errors.js';

/** current signs or is expected; previous is still accepted until it expires; revoked is never accepted. */
export type SecretStatus = 'current' | 'previous' | 'revoked';

/** A secret without its value. */
export interface SecretInfo {
  readonly secretId: string;
  readonly status: SecretStatus;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  /** When a request last matched it, to about 10 s. */
  readonly lastMatchedAtMs: number | null;
}

/** Whose secret it is. */
export interface SecretOwner {
  readonly object: 'source' | 'destination';
  readonly objectId: string;
}

/** What a rotation does to the secrets that are there. */
export interface RotationPlan {
  readonly previous: readonly { readonly secretId: string; readonly expiresAtMs: number }[];
  readonly revoked: readonly string[];
}

/** Secrets that are valid beside the current one. */
export const PREVIOUS_SECRETS_MAX = 2;
export const OVERLAP_SECONDS_MAX = 30 * 86_400;

/** Whether a secret is accepted at that moment. */
export const isValidAt = (secret: SecretInfo, nowMs: number): boolean =>
  secret.status !== 'revoked' && (secret.expiresAtMs === null || secret.expiresAtMs > nowMs);

/**
 * What becomes of the secrets when a new one is current: the former is accepted for the overlap, or no longer.
 * @throws AppError `request.invalid` for a wrong overlap, `limit.reached` when it would leave too many valid secrets:
 * none is dropped before its promised time. An overlap of 0 is therefore always possible.
 */
export function planRotation(
  secrets: readonly SecretInfo[],
  overlapSeconds: number,
  nowMs: number,
): RotationPlan {
  if (!Number.isInteger(overlapSeconds) || overlapSeconds < 0 || overlapSeconds > OVERLAP_SECONDS_MAX)
    throw invalidField('overlapSeconds', `0 to ${OVERLAP_SECONDS_MAX}`);
  const current = secrets.filter(({ status }) => status === 'current').map(({ secretId }) => secretId);
  if (overlapSeconds === 0) return { previous: [], revoked: current };
  const valid = secrets.filter((secret) => secret.status === 'previous' && isValidAt(secret, nowMs));
  if (valid.length + current.length > PREVIOUS_SECRETS_MAX)
    throw reachedLimit(
      'overlapSeconds',
      `${PREVIOUS_SECRETS_MAX} former secrets are still valid; revoke one of them, or rotate with 0`,
    );
  const expiresAtMs = nowMs + overlapSeconds * 1000;
  return { previous: current.map((secretId) => ({ secretId, expiresAtMs })), revoked: [] };
}
