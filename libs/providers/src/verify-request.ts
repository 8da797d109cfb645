import type { ProviderRequest } from './provider-request.js';
import { refuse, type CommonSettings, type Provider, type ProviderSecret, type Verdict } from './provider.js';

/**
 * Judges a request: the provider's signature, then freshness where the scheme signs a time.
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
  if (!verdict.isAuthentic || verdict.signedAtMs === undefined) return verdict;
  const isFresh = Math.abs(nowMs - verdict.signedAtMs) <= settings.freshnessSeconds * 1000;
  return isFresh ? verdict : refuse('signature.expired', 'the signed time is outside the tolerance');
}
