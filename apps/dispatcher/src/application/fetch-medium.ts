import type { Clock } from '@posthorn/clock/clock.js';
import { formatId } from '@posthorn/clock/id.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { type EgressAnswer, type EgressClient, outcomeOfError } from '@posthorn/egress/egress-client.js';
import type { MediumToFetch } from '../clients/events.client.js';
import type { MediaAdapter } from '../clients/media/media-adapter.js';
import { jsonOf } from '../clients/senders/provider-answer.js';
import type { SendCredentials } from '../clients/senders/send-adapter.js';
import { parseRetryAfter } from '../domain/retry-policy.js';
import type { MediaLimits } from './media-limits.js';
import { apiBaseUrlOf } from './send-command.js';

/** Carries media; a client of its own, with longer times than deliveries have. */
export class MediaEgressClient {
  constructor(readonly client: Pick<EgressClient, 'get' | 'onApplicationShutdown'>) {}

  onApplicationShutdown(): Promise<void> {
    return this.client.onApplicationShutdown();
  }
}

/** Who fetches for which provider. */
export class MediaAdapters {
  constructor(readonly of: (provider: string) => MediaAdapter | undefined) {}
}

/** How fetching one ended. Reasons are words of ours, never a provider's. */
export type FetchResult =
  | { readonly kind: 'fetched'; readonly contentType: string; readonly body: Buffer }
  | { readonly kind: 'retry'; readonly reason: string; readonly retryAfterMs?: number | undefined }
  | { readonly kind: 'gone' | 'refused' | 'too_large'; readonly reason: string };

/** The source that a medium came through, and how its provider's are fetched. */
interface Route {
  readonly adapter: MediaAdapter;
  readonly lane: string;
  readonly credentials: SendCredentials | undefined;
  /** Empty: the provider's own. */
  readonly apiBaseUrl: string;
}

/** One request. */
interface Step {
  readonly place: URL;
  /** What is there only says where the medium is. */
  readonly isDescription: boolean;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const GONE = new Set([404, 410]);
/** What may be put right: by whoever stores the credentials, or by waiting. */
const RETRYABLE = new Set([401, 403, 408, 425, 429]);
const DESCRIPTION_BYTES_MAX = 65_536;
const refused = (reason: string): FetchResult => ({ kind: 'refused', reason });
const retry = (reason: string): FetchResult => ({ kind: 'retry', reason });

/**
 * Fetches one medium, through the guard that every call out goes through.
 * Who named its place is a webhook: so the source's credentials are shown to hosts of the provider's only, and to where the
 * source says that its API is; every redirect is judged anew.
 */
export class FetchMedium {
  constructor(
    private readonly edge: Pick<EdgeConfig, 'source'>,
    private readonly adapters: MediaAdapters,
    private readonly egress: MediaEgressClient,
    private readonly clock: Clock,
    private readonly limits: Pick<MediaLimits, 'requestsMax'>,
  ) {}

  /** Never throws. */
  async run(medium: MediumToFetch): Promise<FetchResult> {
    const route = this.routeOf(medium);
    if (!('adapter' in route)) return route;
    const { adapter } = route;
    if (adapter.isAuthorized && Object.keys(this.authorizationOf(route)).length === 0)
      return retry('no_credentials');
    if (!URL.canParse(medium.url)) return refused('no_place');
    const named = new URL(medium.url);
    let step: Step = { place: rebased(named, route), isDescription: adapter.describes?.(named) === true };
    for (let request = 0; request < this.limits.requestsMax; request += 1) {
      const answer = await this.ask(step, route, medium.maxBytes);
      if (!('status' in answer)) return answer;
      const next = stepAfter(answer, step, adapter);
      if (next === undefined) return resultOf(answer, medium.maxBytes, this.clock.nowMs());
      if ('kind' in next) return next;
      step = next;
    }
    return refused('too_many_redirects');
  }

  private routeOf({ tenantId, sourceId, provider }: MediumToFetch): Route | FetchResult {
    const source = this.edge.source(formatId('src', sourceId));
    if (source === undefined || source.tenantId !== formatId('ten', tenantId))
      return refused('source_not_found');
    const adapter = this.adapters.of(provider);
    if (adapter === undefined) return refused('no_adapter');
    const settings = objectOf(source.settingsJson);
    const credentials = source.credentials === undefined ? undefined : objectOf(source.credentials);
    return { adapter, lane: `media ${source.id}`, credentials, apiBaseUrl: apiBaseUrlOf(settings) };
  }

  private async ask(
    { place, isDescription }: Step,
    route: Route,
    mediumBytesMax: number,
  ): Promise<EgressAnswer | FetchResult> {
    const bytesMax = isDescription ? DESCRIPTION_BYTES_MAX : mediumBytesMax;
    // In the clear only where the source itself says so: its tenant has written that address down.
    if (place.protocol !== 'https:' && !isAtBase(place, route)) return refused('not_https');
    try {
      const authorization = isOfProvider(place, route) ? this.authorizationOf(route) : {};
      return await this.egress.client.get({
        url: place.href,
        headers: { accept: '*/*', ...authorization },
        lane: route.lane,
        // One more: so that a medium that is exactly as large as it may be is told from a larger one.
        responseBytesMax: bytesMax + 1,
      });
    } catch (error) {
      if (error instanceof UnusableCredentials) return retry('credentials_invalid');
      const outcome = outcomeOfError(error);
      return outcome === 'blocked_address' ? refused(outcome) : retry(outcome);
    }
  }

  private authorizationOf({ adapter, credentials }: Route): Record<string, string> {
    if (credentials === undefined) return {};
    try {
      return adapter.authorization(credentials, this.clock.nowMs()) ?? {};
    } catch {
      // What it says could hold a part of them.
      throw new UnusableCredentials();
    }
  }
}

class UnusableCredentials extends Error {}

/** Where a medium is named to be, unless the source says that its provider's API is elsewhere. */
function rebased(named: URL, { adapter, apiBaseUrl }: Route): URL {
  if (apiBaseUrl === '' || named.origin !== adapter.apiOrigin || !URL.canParse(apiBaseUrl)) return named;
  return new URL(`${apiBaseUrl.replace(/\/+$/, '')}${named.pathname}${named.search}`);
}

const isAtBase = ({ origin }: URL, { apiBaseUrl }: Route): boolean =>
  URL.canParse(apiBaseUrl) && new URL(apiBaseUrl).origin === origin;

const isOfProvider = (place: URL, route: Route): boolean =>
  isAtBase(place, route) ||
  (place.protocol === 'https:' && place.port === '' && route.adapter.hosts.test(place.hostname));

/** Where an answer leads; undefined: nowhere, it is the last one. */
function stepAfter(
  { status, headers, bodyStart }: EgressAnswer,
  { place, isDescription }: Step,
  adapter: MediaAdapter,
): Step | FetchResult | undefined {
  const isRedirect = REDIRECTS.has(status);
  if (!isRedirect && !(status === 200 && isDescription)) return undefined;
  const next = isRedirect ? headers['location'] : adapter.placeIn?.(jsonOf({ body: bodyStart }));
  if (next === undefined || !URL.canParse(next, place.href)) return refused('no_place');
  return { place: new URL(next, place.href), isDescription: isRedirect && isDescription };
}

function resultOf(
  { status, headers, bodyStart }: EgressAnswer,
  maxBytes: number,
  nowMs: number,
): FetchResult {
  if (status === 200) {
    if (bodyStart.length > maxBytes) return { kind: 'too_large', reason: 'too_large' };
    return { kind: 'fetched', contentType: headers['content-type'] ?? '', body: bodyStart };
  }
  const reason = `http_${status}`;
  if (GONE.has(status)) return { kind: 'gone', reason };
  if (!RETRYABLE.has(status) && status < 500) return refused(reason);
  return { kind: 'retry', reason, retryAfterMs: parseRetryAfter(headers['retry-after'], nowMs) };
}

function objectOf(json: string): Readonly<Record<string, unknown>> {
  const value: unknown = jsonOf({ body: Buffer.from(json) });
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
