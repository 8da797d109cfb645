import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { TenantsClient } from '../clients/tenants.client.js';
import { actorOf, applied } from './applied.js';
import { PublicUrls } from './public-urls.js';
import { type Call, CallOf, Route } from './route.js';
import { source, sourceOf } from './sources.dto.js';
import { platformSends, stop } from './stops.dto.js';
import { tenant, tenantOf } from './tenants.dto.js';

const operator = { principal: 'operator', scope: 'tenants:write' } as const;
const platformRead = { principal: 'operator', scope: 'platform:read' } as const;
const platformWrite = { principal: 'operator', scope: 'platform:write' } as const;
const sends = { principal: 'tenant', scope: 'sends:write' } as const;
const sources = { principal: 'tenant', scope: 'sources:write' } as const;
const TENANT = '/v1/tenants/{tenant}';
type Stop = z.infer<typeof stop>;
/** What every stop has in common: intake goes on storing, and an answer of 200 means that it is in force. */
const common = { method: 'POST', tag: 'Stops', body: stop, status: 200, changesConfiguration: true } as const;

/** Stops of what goes on: each by one call, in force when it is answered. */
@Controller()
export class StopsController {
  constructor(
    private readonly tenants: TenantsClient,
    private readonly urls: PublicUrls,
  ) {}

  @Route({
    ...common,
    path: `${TENANT}/suspend`,
    summary: 'Suspend a tenant: it sends nothing, and its API keys only read',
    access: operator,
    response: tenant,
  })
  async suspend(@CallOf() call: Call<Stop>) {
    return this.setSuspended(call, true);
  }

  @Route({
    ...common,
    path: `${TENANT}/resume`,
    summary: 'End the suspension of a tenant',
    access: operator,
    response: tenant,
  })
  async resume(@CallOf() call: Call<Stop>) {
    return this.setSuspended(call, false);
  }

  @Route({
    ...common,
    path: `${TENANT}/sends/pause`,
    summary: 'Stop all sends of a tenant',
    access: sends,
    response: tenant,
  })
  async pauseSends(@CallOf() call: Call<Stop>) {
    return this.setSendsPaused(call, true);
  }

  @Route({
    ...common,
    path: `${TENANT}/sends/resume`,
    summary: 'Let the sends of a tenant go on',
    access: sends,
    response: tenant,
  })
  async resumeSends(@CallOf() call: Call<Stop>) {
    return this.setSendsPaused(call, false);
  }

  @Route({
    ...common,
    path: `${TENANT}/sources/{id}/pause`,
    summary: 'Stop the processing of a source; what comes in is stored and waits',
    access: sources,
    response: source,
    errors: ['source.not_found'],
  })
  async pauseSource(@CallOf() call: Call<Stop>) {
    return this.setSourcePaused(call, true);
  }

  @Route({
    ...common,
    path: `${TENANT}/sources/{id}/resume`,
    summary: 'Process what a source stored meanwhile, and go on',
    access: sources,
    response: source,
    errors: ['source.not_found'],
  })
  async resumeSource(@CallOf() call: Call<Stop>) {
    return this.setSourcePaused(call, false);
  }

  @Route({
    method: 'GET',
    path: '/v1/sends',
    tag: 'Stops',
    summary: 'Whether the sends of the platform are paused',
    access: platformRead,
    status: 200,
    response: platformSends,
  })
  async platform() {
    const answer = await this.tenants.operators.getPlatform({}, this.tenants.read);
    return { isSendingPaused: answer.sendsPaused };
  }

  @Route({
    ...common,
    path: '/v1/sends/pause',
    summary: 'Stop all sends of every tenant',
    access: platformWrite,
    response: platformSends,
  })
  async pausePlatform(@CallOf() call: Call<Stop>) {
    return this.setPlatformPaused(call, true);
  }

  @Route({
    ...common,
    path: '/v1/sends/resume',
    summary: 'Let the sends of the platform go on',
    access: platformWrite,
    response: platformSends,
  })
  async resumePlatform(@CallOf() call: Call<Stop>) {
    return this.setPlatformPaused(call, false);
  }

  private async setSuspended(call: Call<Stop>, suspended: boolean) {
    const answer = await this.tenants.admin.setTenantSuspension(
      { actor: actorOf(call), tenant: call.tenant.id, suspended, reason: call.body.reason },
      this.tenants.change,
    );
    return applied(200, tenantOf(answer.tenant!), answer.applied);
  }

  private async setSendsPaused(call: Call<Stop>, paused: boolean) {
    const answer = await this.tenants.admin.setTenantSendsPause(
      { actor: actorOf(call), tenant: call.tenant.id, paused, reason: call.body.reason },
      this.tenants.change,
    );
    return applied(200, tenantOf(answer.tenant!), answer.applied);
  }

  private async setSourcePaused(call: Call<Stop>, paused: boolean) {
    const { tenant: owner, params, body } = call;
    const answer = await this.tenants.admin.setSourcePause(
      { actor: actorOf(call), tenant: owner.id, sourceId: params['id']!, paused, reason: body.reason },
      this.tenants.change,
    );
    return applied(200, sourceOf(answer.source!, this.urls.ingress, owner.slug), answer.applied);
  }

  private async setPlatformPaused(call: Call<Stop>, paused: boolean) {
    const answer = await this.tenants.operators.setPlatformSendsPause(
      { actor: actorOf(call), paused, reason: call.body.reason },
      this.tenants.change,
    );
    return applied(200, { isSendingPaused: answer.sendsPaused }, answer.applied);
  }
}
