import { Clock } from '@posthorn/clock/clock.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideValue } from '@posthorn/server/provide.js';
import { CreateHandoff } from './application/create-handoff.js';
import { DryRunRule } from './application/dry-run-rule.js';
import { FindRuleContact } from './application/find-rule-contact.js';
import { FireRules } from './application/fire-rules.js';
import { OpenSealed } from './application/open-sealed.js';
import { PerformRuleEffect } from './application/perform-rule-effect.js';
import { RuleBook } from './application/rule-book.js';
import { RuleMetrics } from './application/rule-metrics.js';
import { RuleTallies } from './application/rule-tallies.js';
import { RunRuleEffects } from './application/run-rule-effects.js';
import { SaveRule } from './application/save-rule.js';
import { ComplianceChannel, ComplianceClient } from './clients/compliance.client.js';
import { DispatcherChannel, DispatcherClient } from './clients/dispatcher.client.js';
import { type Config } from './config.js';
import { ContentRead } from './persistence/content.read.js';
import { ConversationRead } from './persistence/conversation.read.js';
import { ReaderDatabase, WorkerDatabase } from './persistence/databases.js';
import { MessageRead } from './persistence/message.read.js';
import { RuleDryRunRead } from './persistence/rule-dry-run.read.js';
import { RuleEffectRead } from './persistence/rule-effect.read.js';
import { RuleEffectStore } from './persistence/rule-effect.store.js';
import { RuleRead } from './persistence/rule.read.js';
import { RuleStore } from './persistence/rule.store.js';

/** The part of the composition root that rules need. */
export const ruleProviders = (process: Process<Config>) => [
  provideValue(
    DispatcherChannel,
    new DispatcherChannel(process, process.config.dispatcherAddress, 'dispatcher'),
  ),
  provideValue(
    ComplianceChannel,
    new ComplianceChannel(process, process.config.complianceAddress, 'compliance'),
  ),
  provide(DispatcherClient, DispatcherChannel),
  provide(ComplianceClient, ComplianceChannel),
  provide(RuleMetrics, Metrics),
  provide(RuleTallies, Clock),
  provide(RuleStore),
  provide(RuleRead),
  provide(RuleEffectStore),
  provide(RuleEffectRead),
  provide(RuleDryRunRead),
  provide(
    RuleBook,
    ...([WorkerDatabase, RuleStore, RuleTallies, NatsLink, Clock, Logger, RuleMetrics] as const),
  ),
  provide(FireRules, ...([RuleEffectStore, RuleTallies, RunRuleEffects, Clock, RuleMetrics] as const)),
  provide(
    FindRuleContact,
    ...([ReaderDatabase, ConversationRead, MessageRead, ContentRead, OpenSealed] as const),
  ),
  provide(
    PerformRuleEffect,
    ...([FindRuleContact, DispatcherClient, ComplianceClient, CreateHandoff] as const),
  ),
  provide(
    RunRuleEffects,
    ...([
      WorkerDatabase,
      RuleEffectStore,
      PerformRuleEffect,
      RuleTallies,
      Clock,
      Logger,
      RuleMetrics,
    ] as const),
  ),
  provide(SaveRule, ReaderDatabase, RuleStore, RuleRead, RuleBook, AuditOutgoing, Clock),
  provide(DryRunRule, ReaderDatabase, RuleRead, RuleEffectRead, RuleDryRunRead),
];
