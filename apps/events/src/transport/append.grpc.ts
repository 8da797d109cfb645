import { type ServerDuplexStream } from '@grpc/grpc-js';
import { Controller } from '@nestjs/common';
import { GrpcMethod, GrpcStreamCall } from '@nestjs/microservices';
import {
  AppendResult_Outcome,
  type AppendRequest,
  type AppendResponse,
  type AppendServiceEventsRequest,
  type AppendServiceEventsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { Health } from '@posthorn/server/health.js';
import { AppendRequests, type AppendOutcome } from '../application/append-requests.js';
import { AppendServiceEvents } from '../application/append-service-events.js';

type AppendStream = ServerDuplexStream<AppendRequest, AppendResponse>;

/** Batches of one stream that are not answered yet; more are not read. */
const OPEN_BATCHES_MAX = 16;
const CONGESTION_POLL_MS = 5;

const OUTCOMES: Readonly<Record<AppendOutcome['outcome'], AppendResult_Outcome>> = {
  stored: AppendResult_Outcome.OUTCOME_STORED,
  duplicate: AppendResult_Outcome.OUTCOME_DUPLICATE,
  refused: AppendResult_Outcome.OUTCOME_REFUSED,
  unavailable: AppendResult_Outcome.OUTCOME_UNAVAILABLE,
};

/** Intake. */
@Controller()
export class AppendController {
  private readonly streams = new Set<StreamIntake>();

  constructor(
    private readonly append: AppendRequests,
    private readonly appendServiceEvents: AppendServiceEvents,
    health: Health,
  ) {
    health.onDraining(() => {
      for (const stream of this.streams) stream.drain();
    });
  }

  @GrpcStreamCall('AppendService', 'append')
  appendStream(call: AppendStream): void {
    const stream = new StreamIntake(call, this.append, () => this.streams.delete(stream));
    this.streams.add(stream);
  }

  @GrpcMethod('AppendService', 'appendServiceEvents')
  async serviceEvents(request: AppendServiceEventsRequest): Promise<AppendServiceEventsResponse> {
    return { storedThrough: await this.appendServiceEvents.run(request.service, request.events) };
  }
}

/** One stream: reads while there is room, answers as batches are committed, ends when all is answered. */
class StreamIntake {
  private open = 0;
  private isEnding = false;
  private isGone = false;

  constructor(
    private readonly call: AppendStream,
    private readonly append: AppendRequests,
    onGone: () => void,
  ) {
    const gone = (): void => {
      this.isGone = true;
      onGone();
    };
    call.on('data', (request: AppendRequest) => void this.take(request));
    call.on('end', () => this.end());
    for (const event of ['error', 'cancelled', 'close']) call.on(event, gone);
  }

  /** What the client sent and is not read stays unanswered: not known to be stored, so it is sent again. */
  drain(): void {
    this.call.pause();
    this.end();
  }

  private async take({ batch, requests }: AppendRequest): Promise<void> {
    this.open += 1;
    this.limit();
    const outcomes = await this.append.run(requests);
    this.open -= 1;
    if (this.isGone) return;
    this.call.write({
      batch,
      results: outcomes.map(({ outcome, eventsStored, eventsDuplicate, areOptOutsInForce, detail }) => ({
        outcome: OUTCOMES[outcome],
        eventsStored,
        eventsDuplicate,
        optOutsInForce: areOptOutsInForce,
        detail,
      })),
    });
    if (!this.isEnding) this.limit();
    else if (this.open === 0) this.call.end();
  }

  private limit(): void {
    if (this.isEnding || this.isGone) return;
    if (this.open >= OPEN_BATCHES_MAX) {
      this.call.pause();
    } else if (this.append.isCongested) {
      this.call.pause();
      setTimeout(() => this.limit(), CONGESTION_POLL_MS).unref();
    } else if (this.call.isPaused()) {
      this.call.resume();
    }
  }

  private end(): void {
    if (this.isEnding) return;
    this.isEnding = true;
    if (this.open === 0 && !this.isGone) this.call.end();
  }
}
