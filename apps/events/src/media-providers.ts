import { Clock } from '@posthorn/clock/clock.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideFactory } from '@posthorn/server/provide.js';
import { HandOutMedia } from './application/hand-out-media.js';
import { MediaMetrics } from './application/media-metrics.js';
import { OpenSealed } from './application/open-sealed.js';
import { PlanMedia } from './application/plan-media.js';
import { ReadMedium } from './application/read-medium.js';
import { type Config } from './config.js';
import { mediaLimits } from './domain/media.js';
import { ContentRead } from './persistence/content.read.js';
import { ReaderDatabase, WorkerDatabase } from './persistence/databases.js';
import { MediaRead } from './persistence/media.read.js';
import { MediaStore } from './persistence/media.store.js';

type HandOutParts = [
  ...[WorkerDatabase, ReaderDatabase, MediaStore, ContentRead, OpenSealed, EdgeConfig],
  ...[Clock, Logger, MediaMetrics],
];

/** Media that messages refer to: what is to be fetched, what was, and reading it. */
export function mediaProviders({ config }: Process<Config>) {
  const limits = mediaLimits(config);
  return [
    provide(MediaMetrics, Metrics),
    provide(MediaStore),
    provide(MediaRead),
    provideFactory(
      PlanMedia,
      (...[store, edge, clock]: [MediaStore, EdgeConfig, Clock]) => new PlanMedia(store, edge, clock, limits),
      ...([MediaStore, EdgeConfig, Clock] as const),
    ),
    provideFactory(
      HandOutMedia,
      (...parts: HandOutParts) => new HandOutMedia(...parts, limits),
      ...([WorkerDatabase, ReaderDatabase, MediaStore, ContentRead, OpenSealed, EdgeConfig] as const),
      ...([Clock, Logger, MediaMetrics] as const),
    ),
    provide(ReadMedium, ReaderDatabase, MediaRead, OpenSealed),
  ];
}
