import type { ProviderRequest } from './provider-request.js';
import {
  refuse,
  type CommonSettings,
  type Provider,
  type ProviderSecret,
  type Validity,
  type Verdict,
} from './provider.js';

/** How far the clocks of two honest parties may differ: beyond a stated validity, on both sides. */
export const CLOCK_SKEW_MS = 60_000;

/**
 * Judges a request: the provider's signature, then freshness where the scheme signs a time, and validity where
 * it states one.
 * @param secrets those that are valid now. @param nowMs Unix milliseconds.
 * Why freshness is here: one place for every provider, so none can forget the future side.
 */
export function verifyRequest(
  provider: Provider,
  request: ProviderRequest,
  secrets: readonly ProviderSecret[],
  settings: CommonSettings,
  nowMs: number,
): Verdict {
  const verdict = provider.verify(request, secrets, settings);
  if (!verdict.isAuthentic) return verdict;
  const { signedAtMs, validity } = verdict;
  if (signedAtMs !== undefined && Math.abs(nowMs - signedAtMs) > settings.freshnessSeconds * 1000)
    return refuse('signature.expired', 'the signed time is outside the tolerance');
  if (validity !== undefined && !isWithin(validity, nowMs))
    return refuse('signature.expired', 'it is not valid now');
  return verdict;
}

const isWithin = ({ fromMs, untilMs }: Validity, nowMs: number): boolean =>
  nowMs >= fromMs - CLOCK_SKEW_MS && nowMs <= untilMs + CLOCK_SKEW_MS;
