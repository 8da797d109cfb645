import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { TenantsClient } from '../clients/tenants.client.js';
import { actorOf, applied } from './applied.js';
import { PublicUrls } from './public-urls.js';
import { type Call, CallOf, Route } from './route.js';
import { listOf, type Page, page, secretInfo } from './shapes.dto.js';
import {
  createSource,
  putCredentials,
  rotateSource,
  secretCreated,
  source,
  sourceCreated,
  sourceOf,
  updateSource,
} from './sources.dto.js';
import { secretInfoOf } from './tenants.dto.js';

const read = { principal: 'tenant', scope: 'sources:read' } as const;
const write = { principal: 'tenant', scope: 'sources:write' } as const;
const BASE = '/v1/tenants/{tenant}/sources';

/** Sources and their secrets. */
@Controller()
export class SourcesController {
  constructor(
    private readonly tenants: TenantsClient,
    private readonly urls: PublicUrls,
  ) {}

  @Route({
    method: 'POST',
    path: BASE,
    tag: 'Sources',
    summary: 'Create a source',
    access: write,
    body: createSource,
    status: 201,
    changesConfiguration: true,
    response: sourceCreated,
    errors: ['source.unknown_provider', 'secret.invalid'],
    secretPaths: ['secret'],
  })
  async create(@CallOf() call: Call<z.infer<typeof createSource>>) {
    const { name, provider, secret, settings } = call.body;
    const answer = await this.tenants.admin.createSource(
      {
        actor: actorOf(call),
        tenant: call.tenant.id,
        name,
        provider,
        secret: secret ?? '',
        settingsJson: JSON.stringify(settings),
      },
      this.tenants.change,
    );
    const generated = answer.generatedSecret === '' ? {} : { secret: answer.generatedSecret };
    return applied(
      201,
      { ...sourceOf(answer.source!, this.urls.ingress, call.tenant.slug), ...generated },
      answer.applied,
    );
  }

  @Route({
    method: 'GET',
    path: BASE,
    tag: 'Sources',
    summary: 'List sources',
    access: read,
    query: page,
    status: 200,
    response: listOf(source),
  })
  async list(@CallOf() { tenant, query }: Call<unknown, Page>) {
    const answer = await this.tenants.admin.listSources(
      { tenant: tenant.id, limit: query.limit, cursor: query.cursor ?? '' },
      this.tenants.read,
    );
    return {
      data: answer.sources.map((item) => sourceOf(item, this.urls.ingress, tenant.slug)),
      nextCursor: answer.nextCursor || null,
    };
  }

  @Route({
    method: 'GET',
    path: `${BASE}/{id}`,
    tag: 'Sources',
    summary: 'One source',
    access: read,
    status: 200,
    response: source,
    errors: ['source.not_found'],
  })
  async get(@CallOf() call: Call) {
    return sourceOf(
      await this.tenants.source(call.tenant.id, call.params['id']!),
      this.urls.ingress,
      call.tenant.slug,
    );
  }

  @Route({
    method: 'PATCH',
    path: `${BASE}/{id}`,
    tag: 'Sources',
    summary: 'Change a source',
    access: write,
    body: updateSource,
    status: 200,
    changesConfiguration: true,
    response: source,
    errors: ['source.not_found'],
  })
  async update(@CallOf() call: Call<z.infer<typeof updateSource>>) {
    const { name, settings, status } = call.body;
    const answer = await this.tenants.admin.updateSource(
      {
        actor: actorOf(call),
        tenant: call.tenant.id,
        id: call.params['id']!,
        name,
        status,
        settingsJson: settings === undefined ? undefined : JSON.stringify(settings),
      },
      this.tenants.change,
    );
    return applied(200, sourceOf(answer.source!, this.urls.ingress, call.tenant.slug), answer.applied);
  }

  @Route({
    method: 'DELETE',
    path: `${BASE}/{id}`,
    tag: 'Sources',
    summary: 'Delete a source; its URL stops working',
    access: write,
    status: 204,
    changesConfiguration: true,
    errors: ['source.not_found'],
  })
  async delete(@CallOf() call: Call) {
    const answer = await this.tenants.admin.deleteSource(
      { actor: actorOf(call), tenant: call.tenant.id, id: call.params['id']! },
      this.tenants.change,
    );
    return applied(204, undefined, answer.applied);
  }

  @Route({
    method: 'POST',
    path: `${BASE}/{id}/secrets`,
    tag: 'Sources',
    summary: 'Rotate the secret; the former stays valid for the overlap',
    access: write,
    body: rotateSource,
    status: 201,
    changesConfiguration: true,
    response: secretCreated,
    errors: ['source.not_found', 'secret.invalid'],
    secretPaths: ['secret'],
  })
  async rotate(@CallOf() call: Call<z.infer<typeof rotateSource>>) {
    const answer = await this.tenants.admin.rotateSourceSecret(
      {
        actor: actorOf(call),
        tenant: call.tenant.id,
        sourceId: call.params['id']!,
        secret: call.body.secret ?? '',
        overlapSeconds: call.body.overlapSeconds,
      },
      this.tenants.change,
    );
    const generated = answer.generatedSecret === '' ? {} : { secret: answer.generatedSecret };
    return applied(201, { ...secretInfoOf(answer.secret!), ...generated }, answer.applied);
  }

  @Route({
    method: 'GET',
    path: `${BASE}/{id}/secrets`,
    tag: 'Sources',
    summary: 'The secrets of a source, without their values',
    access: read,
    status: 200,
    response: listOf(secretInfo),
    errors: ['source.not_found'],
  })
  async secrets(@CallOf() call: Call) {
    return {
      data: (await this.tenants.source(call.tenant.id, call.params['id']!)).secrets.map(secretInfoOf),
      nextCursor: null,
    };
  }

  @Route({
    method: 'DELETE',
    path: `${BASE}/{id}/secrets/{secretId}`,
    tag: 'Sources',
    summary: 'Revoke a secret now',
    access: write,
    status: 204,
    changesConfiguration: true,
    errors: ['secret.not_found'],
  })
  async revoke(@CallOf() call: Call) {
    const answer = await this.tenants.admin.revokeSourceSecret(
      {
        actor: actorOf(call),
        tenant: call.tenant.id,
        sourceId: call.params['id']!,
        secretId: call.params['secretId']!,
      },
      this.tenants.change,
    );
    return applied(204, undefined, answer.applied);
  }

  @Route({
    method: 'PUT',
    path: `${BASE}/{id}/credentials`,
    tag: 'Sources',
    summary: "Give the credentials of the provider's API, for sends, media and reconciliation",
    access: write,
    body: putCredentials,
    status: 200,
    changesConfiguration: true,
    response: source,
    errors: ['source.not_found'],
  })
  async putCredentials(@CallOf() call: Call<z.infer<typeof putCredentials>>) {
    const { source: changed, applied: change } = await this.setCredentials(call, JSON.stringify(call.body));
    return applied(200, sourceOf(changed!, this.urls.ingress, call.tenant.slug), change);
  }

  @Route({
    method: 'DELETE',
    path: `${BASE}/{id}/credentials`,
    tag: 'Sources',
    summary: 'Forget the credentials; nothing can be sent through the source then',
    access: write,
    status: 204,
    changesConfiguration: true,
    errors: ['source.not_found'],
  })
  async deleteCredentials(@CallOf() call: Call) {
    return applied(204, undefined, (await this.setCredentials(call, '')).applied);
  }

  private setCredentials(call: Call<unknown>, credentialsJson: string) {
    return this.tenants.admin.setSourceCredentials(
      { actor: actorOf(call), tenant: call.tenant.id, sourceId: call.params['id']!, credentialsJson },
      this.tenants.change,
    );
  }
}
