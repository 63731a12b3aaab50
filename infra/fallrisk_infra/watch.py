"""Who is told when: alarms on what stops the lakehouse or loses a message, and a budget."""

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_rds as rds
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


class Watch(cdk.Stack):
    """Each alarm says in its description what to do."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        contact: str,
        monthly_budget_usd: int,
        operators: sns.Topic,
        queues: list[sqs.Queue],
        dead_letters: list[sqs.Queue],
        database: rds.DatabaseInstance,
        cluster: str,
        services: list[str],
        **kwargs,
    ) -> None:
        super().__init__(scope, id, **kwargs)
        self._action = actions.SnsAction(operators)
        sns.Subscription(
            self,
            "mail",
            topic=operators,
            protocol=sns.SubscriptionProtocol.EMAIL,
            endpoint=contact,
        )
        for queue in dead_letters:
            self._alarm(
                queue.node.id,
                queue.metric_approximate_number_of_messages_visible(statistic="Maximum"),
                0,
                "A message could not be handled: read it in the queue, mend the cause, redrive it.",
                minutes=5,
            )
        for queue in queues:
            self._alarm(
                f"{queue.node.id}-age",
                queue.metric_approximate_age_of_oldest_message(statistic="Maximum"),
                900,
                f"A message waits in {queue.node.id} for a quarter of an hour: is its reader running?",
            )
        self._alarm(
            "database-storage",
            database.metric_free_storage_space(statistic="Minimum"),
            2 * 1024**3,
            "Dagster's database has less than 2 GiB left: shorten the retention in deploy/aws/dagster.yaml.",
            below=True,
        )
        self._alarm(
            "database-cpu",
            database.metric_cpu_utilization(),
            90,
            "Dagster's database is busy for a quarter of an hour: look at the slow queries, or enlarge it.",
        )
        for service in services:
            self._alarm(
                f"{service}-runs",
                cloudwatch.Metric(
                    namespace="ECS/ContainerInsights",
                    metric_name="RunningTaskCount",
                    dimensions_map={"ClusterName": cluster, "ServiceName": service},
                    statistic="Minimum",
                ),
                1,
                f"No task of {service} runs: its last lines are in /fallrisk/dagster, its events in ECS.",
                below=True,
                silence_is_bad=True,
            )
        budgets.CfnBudget(
            self,
            "month",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name="fallrisk",
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=monthly_budget_usd, unit="USD"),
            ),
            notifications_with_subscribers=[
                _tell(contact, "ACTUAL", 80),
                _tell(contact, "ACTUAL", 100),
                _tell(contact, "FORECASTED", 100),
            ],
        )

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.Metric,
        threshold: float,
        description: str,
        *,
        below: bool = False,
        silence_is_bad: bool = False,
        minutes: int = 15,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_name=f"fallrisk-{name}",
            alarm_description=description,
            metric=metric.with_(period=cdk.Duration.minutes(5)),
            threshold=threshold,
            evaluation_periods=minutes // 5,
            comparison_operator=_BELOW if below else _ABOVE,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING
            if silence_is_bad
            else cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._action)
        alarm.add_ok_action(self._action)


def _tell(contact: str, kind: str, percent: int) -> budgets.CfnBudget.NotificationWithSubscribersProperty:
    return budgets.CfnBudget.NotificationWithSubscribersProperty(
        notification=budgets.CfnBudget.NotificationProperty(
            notification_type=kind,
            comparison_operator="GREATER_THAN",
            threshold=percent,
            threshold_type="PERCENTAGE",
        ),
        subscribers=[budgets.CfnBudget.SubscriberProperty(subscription_type="EMAIL", address=contact)],
    )
