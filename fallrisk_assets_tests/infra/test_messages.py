"""What is said between parts, by whom, and who hears of it when something fails."""

import json
from fnmatch import fnmatchcase

from fallrisk_assets.alerts.rules import SEVERITIES
from fallrisk_assets_tests.infra.house import as_list, told


def queues(house, dead):
    return [q for q in house.of("SQS::Queue") if q.properties["QueueName"].endswith("-dead") == dead]


def test_what_cannot_be_handled_is_put_aside_for_longer_than_it_would_have_waited(house):
    dead = {f"<{q.name}.Arn>": q for q in queues(house, dead=True)}
    assert len(queues(house, dead=False)) == 2
    for queue in queues(house, dead=False):
        policy = queue.properties["RedrivePolicy"]
        aside = dead[told(policy["deadLetterTargetArn"])]
        assert policy["maxReceiveCount"] == 5
        assert aside.properties["MessageRetentionPeriod"] > queue.properties["MessageRetentionPeriod"]


def test_urgent_alerts_alone_reach_the_urgent_queue_and_none_is_lost_on_the_way(house):
    (subscription,) = [s for s in house.of("SNS::Subscription") if s.properties["Protocol"] == "sqs"]
    assert subscription.properties["FilterPolicy"] == {"severity": list(SEVERITIES[-2:])}
    assert told(subscription.properties["RedrivePolicy"]["deadLetterTargetArn"]).startswith("<urgentdead")


def new_drop(house):
    (rule,) = house.of("Events::Rule")
    return rule.properties


def test_new_drops_are_told_once_somebody_reads_them(house, chosen):
    assert new_drop(house)["State"] == "DISABLED"
    assert new_drop(chosen)["State"] == "ENABLED"
    assert new_drop(chosen)["EventPattern"]["detail"]["bucket"]["name"] == [
        "fallrisk-landing-111111111111-eu-west-1"
    ]
    assert new_drop(chosen)["Targets"][0]["DeadLetterConfig"]
    (landing,) = [b for b in house.of("S3::Bucket") if b.name.startswith("landing")]
    assert landing.properties["NotificationConfiguration"]["EventBridgeConfiguration"] == {
        "EventBridgeEnabled": True
    }


def test_mail_is_configured_whole_or_not_at_all(house, chosen):
    def mail(of):
        return {p["Name"] for p in of.tasks()["run"]["Environment"] if p["Name"].startswith("FALLRISK_SMTP")}

    assert mail(house) == set()
    words = ("HOST", "PORT", "SENDER", "STARTTLS", "USERNAME", "PASSWORD")
    assert mail(chosen) == {f"FALLRISK_SMTP_{word}" for word in words}


def test_every_alarm_tells_the_operators_what_to_do_and_when_it_is_over(house):
    (mail,) = [s for s in house.of("SNS::Subscription") if s.properties["Protocol"] == "email"]
    operators = told(mail.properties["TopicArn"])
    for alarm in house.of("CloudWatch::Alarm"):
        for moment in ("AlarmActions", "OKActions"):
            assert [told(a) for a in alarm.properties[moment]] == [operators], alarm
        assert ":" in alarm.properties["AlarmDescription"], alarm


def test_every_queue_and_every_service_is_watched(house):
    watched = json.dumps([a.properties.get("Dimensions", []) for a in house.of("CloudWatch::Alarm")])
    for queue in house.of("SQS::Queue"):
        assert f"GetAtt{queue.name}QueueName" in watched, queue
    for service in house.of("ECS::Service"):
        assert f'"Value": "{service.properties["ServiceName"]}"' in watched, service


def test_silence_of_a_service_is_an_alarm(house):
    alarms = [a for a in house.of("CloudWatch::Alarm") if a.properties["AlarmName"].endswith("-runs")]
    assert len(alarms) == 3
    assert {a.properties["TreatMissingData"] for a in alarms} == {"breaching"}


def test_somebody_is_told_before_the_month_costs_more_than_it_may(house):
    (budget,) = house.of("Budgets::Budget")
    assert budget.properties["Budget"]["BudgetLimit"] == {"Amount": 600, "Unit": "USD"}
    told_when = {
        (n["Notification"]["NotificationType"], n["Notification"]["Threshold"])
        for n in budget.properties["NotificationsWithSubscribers"]
    }
    assert told_when == {("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)}


def allowed(house, policy, action, resource, thing):
    """Return whether an IoT policy allows an action to the device that is called `thing`."""
    (found,) = [p for p in house.of("IoT::Policy") if p.properties["PolicyName"] == f"fallrisk-{policy}"]
    return any(
        action in as_list(s["Action"])
        and any(
            fnmatchcase(resource, r.replace("${iot:Connection.Thing.ThingName}", thing))
            for r in as_list(s["Resource"])
        )
        for s in found.properties["PolicyDocument"]["Statement"]
    )


IOT = "arn:aws:iot:eu-west-1:111111111111"


def test_a_device_speaks_for_itself_alone(house):
    def may(action, resource):
        return allowed(house, "device", f"iot:{action}", f"{IOT}:{resource}", "imu-7")

    assert may("Connect", "client/imu-7")
    assert may("Publish", "topic/devices/imu-7/telemetry")
    assert may("Publish", "topic/devices/imu-7/status")
    assert may("Subscribe", "topicfilter/devices/imu-7/config")
    assert not may("Connect", "client/imu-8")
    assert not may("Publish", "topic/devices/imu-8/telemetry")
    assert not may("Publish", "topic/devices/imu-7/config")
    assert not may("Subscribe", "topicfilter/devices/+/telemetry")
    assert not may("Receive", "topic/devices/imu-8/config")


def test_a_certificate_counts_only_while_it_is_attached_to_its_device(house):
    (device,) = [p for p in house.of("IoT::Policy") if p.properties["PolicyName"] == "fallrisk-device"]
    (connect,) = [s for s in device.properties["PolicyDocument"]["Statement"] if s["Action"] == "iot:Connect"]
    assert connect["Condition"] == {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}


def test_the_gateway_hears_every_device_and_speaks_for_none(house):
    def may(action, resource):
        return allowed(house, "gateway", f"iot:{action}", f"{IOT}:{resource}", "gateway")

    assert may("Subscribe", "topicfilter/devices/+/telemetry")
    assert may("Publish", "topic/devices/imu-7/config")
    assert not may("Publish", "topic/devices/imu-7/telemetry")
    assert not may("Connect", "client/imu-7")
