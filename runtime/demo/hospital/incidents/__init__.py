"""The incidents put among the ordinary events, each with its label."""

from runtime.demo.hospital.incidents.accounts import stage_account_incidents
from runtime.demo.hospital.incidents.cast import Cast
from runtime.demo.hospital.incidents.charts import stage_chart_incidents
from runtime.demo.hospital.incidents.deliveries import stage_delivery_incidents
from runtime.demo.hospital.incidents.volumes import stage_volume_incidents
from runtime.demo.hospital.paperwork import Paperwork
from runtime.demo.hospital.scene import Scene


def stage_incidents(scene: Scene, paperwork: Paperwork) -> None:
    """Two to five of every kind, on whole days after the quiet ones; nobody plays two parts."""
    cast = Cast(scene)
    stage_chart_incidents(cast)
    stage_account_incidents(cast)
    stage_volume_incidents(cast, paperwork)
    stage_delivery_incidents(scene, paperwork)
