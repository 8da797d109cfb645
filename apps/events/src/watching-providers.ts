import { Clock } from '@posthorn/clock/clock.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { Logger } from '@posthorn/server/logger.js';
import { provide } from '@posthorn/server/provide.js';
import { AppendRequests } from './application/append-requests.js';
import { JoinTexts } from './application/join-texts.js';
import { OpenSealed } from './application/open-sealed.js';
import { WatchMessages } from './application/watch-messages.js';
import { ContentRead } from './persistence/content.read.js';
import { ReaderDatabase, WorkerDatabase } from './persistence/databases.js';
import { LogLeases } from './persistence/log-leases.js';
import { PartStore } from './persistence/part.store.js';
import { WatchStore } from './persistence/watch.store.js';

/** What the log says by itself: of messages without an end, and of texts that came in parts. */
export const watchingProviders = () => [
  provide(WatchStore),
  provide(
    WatchMessages,
    ...([WorkerDatabase, WatchStore, AppendRequests, EdgeConfig, LogLeases, Clock, Logger] as const),
  ),
  provide(PartStore),
  provide(
    JoinTexts,
    ...([WorkerDatabase, ReaderDatabase, PartStore, ContentRead, OpenSealed, AppendRequests] as const),
    ...([EdgeConfig, LogLeases, Clock, Logger] as const),
  ),
];
