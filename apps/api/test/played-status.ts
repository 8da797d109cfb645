import {
  type GetStatusResponse,
  type ListSourceFiguresRequest,
  SourceFiguresServiceService,
  StatusServiceService,
} from '@posthorn/contracts/posthorn/status/v1/status.js';
import { nowMs } from './played-things.js';

const stage = (name: string, over: object = {}) => ({ stage: name, isMore: false, troubles: [], ...over });

/** What each service says of itself. */
const STATUS: Readonly<Record<string, GetStatusResponse>> = {
  events: {
    stages: [
      stage('append', { ratePerSecond: 12.345 }),
      stage('projection', { depth: 3n, lagMs: 40, oldestAtMs: nowMs - 40 }),
      stage('unrecognized', { depth: 2n, troubles: [{ kind: 'schema', what: 'nobody understands them' }] }),
    ],
    checks: [
      { name: 'database', result: 'ok' },
      { name: 'broker', result: 'is not reached' },
    ],
    factsBehind: undefined,
  },
  compliance: { stages: [stage('compliance', { depth: 5n })], checks: [], factsBehind: 5n },
  dispatcher: { stages: [stage('deliveries', { depth: 9n, isMore: true })], checks: [], factsBehind: 9n },
};

/** What each knows of every source. */
const FIGURES: Readonly<Record<string, object>> = {
  events: { eventsStored: 90n, eventsDuplicate: 10n, eventsUnrecognized: 0n, eventsWaiting: 0n },
  dispatcher: { deadLetters: 2n },
};

/** A played service that also says how it is, whoever asks. */
export function withStatus<S extends { readonly service: string; readonly definitions: readonly object[] }>(
  played: S,
): S {
  const always = (answer: (request: never) => object) => ({ own: answer, other: answer(undefined as never) });
  const figuresOf = (request: ListSourceFiguresRequest | undefined) => ({
    figures: (request?.sources ?? []).map(({ sourceId }) => ({ sourceId, ...FIGURES[played.service] })),
  });
  return {
    ...played,
    definitions: [
      ...played.definitions,
      { definition: StatusServiceService, handlers: { getStatus: always(() => STATUS[played.service]!) } },
      { definition: SourceFiguresServiceService, handlers: { listSourceFigures: always(figuresOf) } },
    ],
  };
}
