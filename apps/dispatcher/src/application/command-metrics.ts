import type { Metrics } from '@posthorn/server/metrics.js';
import { type AttemptOutcome } from '../domain/command-change.js';
import { type Command } from '../domain/command.js';
import { type CommandState } from '../domain/command-state.js';
import { KnownNames } from '../domain/known-names.js';

const MS = 1_000;
/** 5 ms to an hour: from an idle platform to one that waits for a provider. */
const AGE_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600, 3_600];

/** Campaigns that are told apart; one that was forgotten counts as new. */
const CAMPAIGNS_MAX = 10_000;

/** What this service measures of its commands. */
export class CommandMetrics {
  private readonly commands;
  private readonly attempts;
  private readonly attemptSeconds;
  private readonly permits;
  private readonly permitSeconds;
  private readonly permitsOver;
  private readonly sentSeconds;
  private readonly lookups;
  private readonly providerCalls;
  private readonly refused;
  private readonly activationSeconds;
  private readonly gauges;
  private readonly campaigns = new KnownNames(CAMPAIGNS_MAX);

  constructor(metrics: Metrics) {
    this.commands = metrics.counter({
      name: 'posthorn_commands_total',
      help: 'Commands by the state they came into',
      labels: ['state'],
    });
    this.attempts = metrics.counter({
      name: 'posthorn_command_attempts_total',
      help: 'Times a command was handed to its provider, by outcome',
      labels: ['outcome'],
    });
    this.attemptSeconds = metrics.histogram({
      name: 'posthorn_command_attempt_seconds',
      help: 'Duration of those',
    });
    this.permits = metrics.counter({
      name: 'posthorn_command_permits_total',
      help: 'Answers of compliance: allow, deny, defer, silent',
      labels: ['answer'],
    });
    this.permitSeconds = metrics.histogram({
      name: 'posthorn_command_permit_seconds',
      help: 'How long compliance took to answer',
    });
    this.permitsOver = metrics.counter({
      name: 'posthorn_command_permits_over_total',
      help: 'Permits whose time was over before the send could begin',
    });
    this.sentSeconds = metrics.histogram({
      name: 'posthorn_command_sent_seconds',
      help: 'From the acceptance of a command to the answer of its provider',
      buckets: AGE_BUCKETS,
    });
    this.lookups = metrics.counter({
      name: 'posthorn_command_lookups_total',
      help: 'Times a provider was asked what became of a message, by answer',
      labels: ['answer'],
    });
    this.activationSeconds = metrics.histogram({
      name: 'posthorn_campaign_activation_seconds',
      help: 'From the acceptance of the first command of a campaign to the moment its sending began; without scheduled ones. Counted by each process for the campaigns that it begins to send',
      buckets: AGE_BUCKETS,
    });
    this.providerCalls = metrics.counter({
      name: 'posthorn_provider_calls_total',
      help: 'Sends that were handed to a provider, by what came back: sent, refused, not_sent, unknown',
      labels: ['provider', 'outcome'],
    });
    this.refused = metrics.counter({
      name: 'posthorn_dispatch_outgoing_refused_total',
      help: 'Outgoing events that the log refuses for good',
    });
    const gauge = (name: string, help: string) => metrics.gauge({ name, help });
    this.gauges = {
      waiting: gauge('posthorn_commands_waiting', 'Commands in memory that wait for their turn'),
      oldest: gauge(
        'posthorn_commands_oldest_seconds',
        'How long the oldest command that is due has waited; without sources that take no more for now',
      ),
      inFlight: gauge('posthorn_commands_in_flight', 'Commands that are worked on'),
      places: gauge(
        'posthorn_command_send_window',
        'Sends that may be between their permit and the wire at once: falls while permits are slow',
      ),
      uncommitted: gauge('posthorn_commands_uncommitted', 'New commands that wait for their transaction'),
      outgoing: gauge('posthorn_dispatch_outgoing_pending', 'Events of commands that are not in the log yet'),
    };
  }

  onState(state: CommandState): void {
    this.commands.inc({ state });
  }

  onAttempt(outcome: AttemptOutcome, durationMs: number): void {
    this.attempts.inc({ outcome });
    this.attemptSeconds.observe(durationMs / MS);
  }

  onProviderCall(provider: string, outcome: string): void {
    this.providerCalls.inc({ provider, outcome });
  }

  onPermit(answer: string, durationMs: number): void {
    this.permits.inc({ answer });
    this.permitSeconds.observe(durationMs / MS);
  }

  onPermitOver(): void {
    this.permitsOver.inc({});
  }

  onSent(ageMs: number): void {
    this.sentSeconds.observe(Math.max(0, ageMs) / MS);
  }

  /** A send is about to leave. What was planned for later is no lag, so only what was to leave at once counts. */
  onSendBegun({ campaign, tenantId, state, createdAtMs }: Command, nowMs: number): void {
    if (campaign === '' || !this.campaigns.isNew(`${tenantId.toString('hex')}/${campaign}`)) return;
    if (state === 'accepted') this.activationSeconds.observe(Math.max(0, nowMs - createdAtMs) / MS);
  }

  setOldest(waitedMs: number): void {
    this.gauges.oldest.set(waitedMs / MS);
  }

  onLookup(answer: string): void {
    this.lookups.inc({ answer });
  }

  onRefusedRow(): void {
    this.refused.inc({});
  }

  setDepths(depths: { readonly waiting: number; readonly inFlight: number; readonly places: number }): void {
    this.gauges.waiting.set(depths.waiting);
    this.gauges.inFlight.set(depths.inFlight);
    this.gauges.places.set(depths.places);
  }

  setUncommitted(waiting: number): void {
    this.gauges.uncommitted.set(waiting);
  }

  setOutgoing(pending: number): void {
    this.gauges.outgoing.set(pending);
  }
}
