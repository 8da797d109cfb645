import { Clock } from '@posthorn/clock/clock.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { EgressClient } from '@posthorn/egress/egress-client.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideFactory, provideValue } from '@posthorn/server/provide.js';
import { FetchMedium, MediaAdapters, MediaEgressClient } from './application/fetch-medium.js';
import { MEDIA_LIMITS } from './application/media-limits.js';
import { MediaMetrics } from './application/media-metrics.js';
import { RunMedia } from './application/run-media.js';
import { EventsClient } from './clients/events.client.js';
import { mediaAdapterOf } from './clients/media/registry.js';
import { type Config } from './config.js';

/** Fetching what messages refer to. */
export function mediaProviders({ config, clock, log, instanceId }: Process<Config>) {
  const limits = { ...MEDIA_LIMITS, inFlightMax: config.mediaInFlightMax };
  const egress = {
    allowLoopback: config.allowLoopbackDestinations,
    totalTimeoutMs: limits.timeoutMs,
    connectionsPerOrigin: limits.inFlightMax,
  };
  return [
    provide(MediaMetrics, Metrics),
    provideValue(MediaAdapters, new MediaAdapters(mediaAdapterOf)),
    provideValue(MediaEgressClient, new MediaEgressClient(new EgressClient(clock, egress))),
    provideFactory(
      FetchMedium,
      (...[edge, adapters, client, time]: [EdgeConfig, MediaAdapters, MediaEgressClient, Clock]) =>
        new FetchMedium(edge, adapters, client, time, limits),
      ...([EdgeConfig, MediaAdapters, MediaEgressClient, Clock] as const),
    ),
    provideFactory(
      RunMedia,
      (...[edge, events, fetch, metrics]: [EdgeConfig, EventsClient, FetchMedium, MediaMetrics]) =>
        new RunMedia(instanceId, edge, events, fetch, clock, log, metrics, limits),
      ...([EdgeConfig, EventsClient, FetchMedium, MediaMetrics] as const),
    ),
  ];
}
