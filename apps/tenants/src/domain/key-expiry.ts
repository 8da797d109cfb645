import { AppError } from '@posthorn/errors/app-error.js';

/**
 * When a new key ends: as asked for, and never after the key that makes it. Whoever has a key for a while must not be
 * able to keep what it opens.
 * @param askedAtMs null: nothing was asked for, so that it ends with its maker. @param makerAtMs null: the maker stays.
 * @throws AppError `principal.forbidden` that says when the maker ends.
 */
export function expiryWithin(askedAtMs: number | null, makerAtMs: number | null): number | null {
  if (makerAtMs === null || askedAtMs === null) return askedAtMs ?? makerAtMs;
  if (askedAtMs > makerAtMs)
    throw new AppError('principal.forbidden', {
      detail: `your key expires at ${new Date(makerAtMs).toISOString()}: a key that it makes ends then, too, or sooner`,
    });
  return askedAtMs;
}
