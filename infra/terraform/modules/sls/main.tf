# The SLS project: a logstore for the function's log lines, a logstore for its records of outcomes, their indexes,
# the dashboards and the alerts.
#
# The files of infra/sls are requests of the SLS API. This module creates what each of them describes:
#   index.LOGSTORE.json   CreateIndex: keys {FIELD: {type, json_keys {KEY: {type, doc_value}}}}
#   dashboard*.json       CreateDashboard: dashboardName, displayName, attribute, charts
#   alert*.json           CreateAlert: name, displayName, schedule, configuration
# The `query` of a chart or an alert is the name of a file: queries/NAME.sql.

locals {
  sls       = "${path.module}/../../../sls"
  logstores = toset(["function", "outcomes"])

  # File name to query. ${NAME} in a query stands for queries/parts/NAME.sql.
  parts = {
    for file in fileset(local.sls, "queries/parts/*.sql") :
    trimsuffix(basename(file), ".sql") => trimspace(file("${local.sls}/${file}"))
  }
  # The documentation of SLS does not say that a query may contain comments. So comment lines are removed, and the
  # other lines are joined with spaces.
  queries = {
    for file in fileset(local.sls, "queries/*.sql") : file => join(" ", [
      for line in split("\n", templatefile("${local.sls}/${file}", local.parts)) : trimspace(line)
      if trimspace(line) != "" && !startswith(trimspace(line), "--")
    ])
  }

  # Function Compute writes a log line into the field `message`. Its JSON can be queried only by the keys that the
  # json index names.
  indexes = {
    for file in fileset(local.sls, "index.*.json") :
    trimsuffix(trimprefix(file, "index."), ".json") => jsondecode(file("${local.sls}/${file}")).keys
  }
  dashboards = {
    for file in fileset(local.sls, "dashboard*.json") : file => jsondecode(file("${local.sls}/${file}"))
  }
  alerts = {
    for file in fileset(local.sls, "alert*.json") : file => jsondecode(file("${local.sls}/${file}"))
  }
}

resource "alicloud_log_project" "this" {
  project_name = var.project
  description  = "acr-refresher: log lines and records of outcomes"
}

resource "alicloud_log_store" "this" {
  for_each = local.logstores

  project_name     = alicloud_log_project.this.project_name
  logstore_name    = each.key
  retention_period = var.retention_days
  shard_count      = 1
  auto_split       = true

  max_split_shard_count = 8
}

resource "alicloud_log_store_index" "this" {
  for_each = local.logstores

  project  = alicloud_log_project.this.project_name
  logstore = alicloud_log_store.this[each.key].logstore_name

  full_text {
    token = " #$^*\r\n\t"
  }

  dynamic "field_search" {
    for_each = local.indexes[each.key]
    content {
      name             = field_search.key
      type             = field_search.value.type
      enable_analytics = true
      token            = contains(["text", "json"], field_search.value.type) ? ", '\";=()[]{}?@&<>/:\n\t\r" : null

      dynamic "json_keys" {
        for_each = try(field_search.value.json_keys, {})
        content {
          name      = json_keys.key
          type      = json_keys.value.type
          doc_value = try(json_keys.value.doc_value, true)
        }
      }
    }
  }
}

resource "alicloud_log_dashboard" "this" {
  for_each = local.dashboards

  project_name   = alicloud_log_project.this.project_name
  dashboard_name = each.value.dashboardName
  display_name   = each.value.displayName
  attribute      = jsonencode(try(each.value.attribute, { type = "grid" }))
  char_list = jsonencode([
    for chart in each.value.charts :
    merge(chart, { search = merge(chart.search, { query = local.queries[chart.search.query] }) })
  ])

  depends_on = [alicloud_log_store_index.this]
}

resource "alicloud_sls_alert" "this" {
  for_each = local.alerts

  project_name = alicloud_log_project.this.project_name
  alert_name   = each.value.name
  display_name = each.value.displayName
  description  = try(each.value.description, "")

  schedule {
    type            = each.value.schedule.type
    interval        = try(each.value.schedule.interval, null)
    cron_expression = try(each.value.schedule.cronExpression, null)
    run_immdiately  = try(each.value.schedule.runImmediately, true) # the provider's spelling
  }

  configuration {
    version       = "2.0"
    type          = "default"
    dashboard     = try(each.value.configuration.dashboard, "internal-alert-analysis")
    threshold     = try(each.value.configuration.threshold, 1)
    no_data_fire  = try(each.value.configuration.noDataFire, false)
    send_resolved = try(each.value.configuration.sendResolved, true)

    dynamic "query_list" {
      for_each = each.value.configuration.queryList
      content {
        project        = alicloud_log_project.this.project_name
        region         = var.region
        store_type     = "log"
        store          = alicloud_log_store.this[query_list.value.store].logstore_name
        query          = local.queries[query_list.value.query]
        start          = query_list.value.start
        end            = query_list.value.end
        time_span_type = try(query_list.value.timeSpanType, "Custom")
        power_sql_mode = "auto"
      }
    }

    dynamic "severity_configurations" {
      for_each = each.value.configuration.severityConfigurations
      content {
        severity = severity_configurations.value.severity
        eval_condition {
          condition       = try(severity_configurations.value.evalCondition.condition, "")
          count_condition = try(severity_configurations.value.evalCondition.countCondition, "")
        }
      }
    }

    dynamic "labels" {
      for_each = try(each.value.configuration.labels, [])
      content {
        key   = labels.value.key
        value = labels.value.value
      }
    }

    dynamic "annotations" {
      for_each = try(each.value.configuration.annotations, [])
      content {
        key   = annotations.value.key
        value = annotations.value.value
      }
    }

    group_configuration {
      type   = try(each.value.configuration.groupConfiguration.type, "no_group")
      fields = try(each.value.configuration.groupConfiguration.fields, [])
    }

    # Without this block, the alerts are evaluated but not sent.
    sink_alerthub {
      enabled = true
    }

    policy_configuration {
      alert_policy_id  = "sls.builtin.dynamic"
      action_policy_id = var.action_policy
      repeat_interval  = try(each.value.configuration.policyConfiguration.repeatInterval, "1h")
    }
  }

  depends_on = [alicloud_log_store_index.this]
}
