import { FieldErrors, invalidField, isName, NAME_RULE, reachedLimit } from './field-errors.js';

/**
 * What an operator key may name. `payloads:read` is had by name only: reading personal data is no part of running the
 * platform. Of the others a key that names none has all; the REST API knows the same list and enforces it.
 */
export const OPERATOR_SCOPES = [
  'platform:read',
  'platform:write',
  'tenants:read',
  'tenants:write',
  'keys:write',
  'payloads:read',
] as const;
export const OPERATOR_KEY_PREFIX = 'phop_';
/** Valid at the same time. */
export const OPERATOR_KEYS_MAX = 50;
const OVERLAP_SECONDS_MAX = 30 * 86_400;

/** A key of somebody who runs the platform, without its token. */
export interface OperatorKey {
  readonly operatorKeyId: string;
  readonly name: string;
  readonly scopes: readonly string[];
  /** file: installed from the operator key file. api: made by another operator. */
  readonly origin: 'file' | 'api';
  readonly expiresAtMs: number | null;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | null;
}

/** @throws AppError `request.invalid` that names every wrong field. */
export function checkOperatorKey(
  name: string,
  scopes: readonly string[],
  expiresAtMs: number | null,
  nowMs: number,
): void {
  const errors = new FieldErrors();
  errors.require(isName(name), 'name', NAME_RULE);
  errors.require(
    scopes.length <= OPERATOR_SCOPES.length,
    'scopes',
    `at most ${OPERATOR_SCOPES.length} scopes`,
  );
  scopes
    .slice(0, OPERATOR_SCOPES.length)
    .forEach((scope, index) =>
      errors.require(
        (OPERATOR_SCOPES as readonly string[]).includes(scope),
        `scopes.${index}`,
        `one of ${OPERATOR_SCOPES.join(', ')}`,
      ),
    );
  errors.require(
    expiresAtMs === null || (Number.isFinite(expiresAtMs) && expiresAtMs > nowMs),
    'expiresAt',
    'must lie in the future',
  );
  errors.throwIfAny();
}

/** @throws AppError `request.invalid` naming `overlapSeconds`. */
export function checkOverlap(overlapSeconds: number): void {
  if (!Number.isInteger(overlapSeconds) || overlapSeconds < 0 || overlapSeconds > OVERLAP_SECONDS_MAX)
    throw invalidField('overlapSeconds', `0 to ${OVERLAP_SECONDS_MAX}`);
}

/** @throws AppError `limit.reached` */
export function checkRoomFor(valid: readonly OperatorKey[]): void {
  if (valid.length >= OPERATOR_KEYS_MAX)
    throw reachedLimit('name', `there are at most ${OPERATOR_KEYS_MAX} operator keys; delete one first`);
}

/**
 * Whether somebody could still come in without a key: another one must be valid, and not run out by itself.
 * A way back from everything is the operator key file, but not one that a wrong click should need.
 */
export const isLastKey = (valid: readonly OperatorKey[], operatorKeyId: string): boolean =>
  !valid.some((key) => key.operatorKeyId !== operatorKeyId && key.expiresAtMs === null);
