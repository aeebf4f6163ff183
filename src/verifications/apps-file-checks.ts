import type { Methods } from '../adapters/guard.ts'
import type { AppsFileChecks } from '../apps/apps-file.ts'
import { countries, parsePhoneNumber } from '../phone.ts'
import { findWorkflowProblem } from './workflow.ts'

/** What `APPS_FILE` may name: countries that have numbers, numbers, and the methods of the configured providers. */
export const createAppsFileChecks = (methods: Methods): AppsFileChecks =>
  ({
    countries, isPhoneNumber: text => parsePhoneNumber(text) !== null,
    findWorkflowProblem: app => findWorkflowProblem(app, methods),
  })
